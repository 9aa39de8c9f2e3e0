#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/service/thread.h"
#include "fmt/format.h"
#include "tests/bench/cluster.h"
#include "tests/bench/floor.h"
#include "tests/bench/herd.h"
#include "tests/bench/measure.h"
#include "tests/bench/runs.h"
#include "tests/bench/shapes.h"
#include "tests/chaos/fleet.h"

namespace penstock::bench {
namespace {

constexpr int kTasks = 100;  // of a run
constexpr int kSlots = 4096;
constexpr absl::Duration kPatience = absl::Minutes(20);
constexpr absl::Duration kFloorLength = absl::Seconds(3);
constexpr char kHeld[] = "queue: herd, noop: {on: worker}";
constexpr char kFarAway[] = "delay 3 down";  // a round trip takes 3 ms more

int Scaled(int count, double scale) { return std::max(1, static_cast<int>(count * scale)); }

// Tasks per second of runs of 100.
absl::StatusOr<double> Throughput(client::Client& client, double scale) {
  const int runs = Scaled(400, scale);
  const SteadyTime begin = RealClock().Steady();
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, TriggerRuns(client, "trips", runs));
  // The last one by its id: under a pinned horizon, listing live runs walks past all ended ones.
  PENSTOCK_RETURN_IF_ERROR(WaitForRun(client, ids.back(), kPatience, kPollPeriod));
  PENSTOCK_RETURN_IF_ERROR(WaitForRunsOf(client, "trips", kPatience));
  return runs * kTasks / absl::ToDoubleSeconds(RealClock().Steady() - begin);
}

struct Laden {
  const Settings& settings;
  Cluster& cluster;
  ClusterFacts facts;
  std::vector<std::shared_ptr<void>> kept;  // whatever goes on until the end
};

struct Load {
  std::string name;
  std::function<absl::Status(Laden&)> begin;
  absl::Duration at_least;  // figures count from the middle of this time on
};

// ---- The loads ----

absl::Status History(Laden& laden) {
  const int64_t runs = Scaled(100'000, laden.settings.scale);
  // Beyond the ids that the open partition gives out.
  const std::string first =
      "(select (number::bigint << 40) | (1::bigint << 39) from penstock.partition"
      " where opened_us is not null and closed_us is null)";
  const std::string sql = fmt::format(
      "insert into penstock.run (id, domain_id, dag_id, version_id, run_key, params, note, state,"
      "  intent, reason, quarantined, created_us, started_us, finished_us)"
      " select {0} + g, d.id, dag.id, dag.version_id, 'old-' || g, '', '', 2, 0, '', false,"
      "  penstock.now_us(), penstock.now_us(), penstock.now_us()"
      " from generate_series(1, {1}) g, penstock.domain d, penstock.dag"
      " where dag.name = 'trips' and d.id = (select domain_id from penstock.namespace"
      "  where id = dag.namespace_id);"
      "insert into penstock.task_instance (run_id, task_idx, map_idx, attempt, state, tries,"
      "  infra_tries, session, started_us, finished_us)"
      " select {0} + g, t, -1, 1, 4, 0, 0, 1, penstock.now_us(), penstock.now_us()"
      " from generate_series(1, {1}) g, generate_series(0, 99) t;"
      "analyze; checkpoint;",
      first, runs);
  return Psql(laden.facts.socket_dir, sql, kPatience).status();
}

absl::Status LiveRuns(Laden& laden) {
  PENSTOCK_RETURN_IF_ERROR(laden.cluster.Apply(Wide("held", 1, kHeld)));
  return TriggerRuns(laden.cluster.client(), "held", Scaled(10'000, laden.settings.scale)).status();
}

absl::Status WaitingTasks(Laden& laden) {
  PENSTOCK_RETURN_IF_ERROR(laden.cluster.Apply(Gated("gated", 50'000, 3600)));
  return TriggerRuns(laden.cluster.client(), "gated", Scaled(20, laden.settings.scale)).status();
}

absl::Status Workers(Laden& laden) {
  const int count = Scaled(1000, laden.settings.scale);
  const auto herd =
      std::make_shared<WorkerHerd>(HerdOptions{{laden.facts.address}, count, 0, "herd"});
  laden.kept.push_back(herd);
  const SteadyTime give_up = RealClock().Steady() + absl::Minutes(2);
  while (herd->bound() < count) {
    if (RealClock().Steady() > give_up) return absl::DeadlineExceededError("the herd is not bound");
    absl::SleepFor(kPollPeriod);
  }
  return absl::OkStatus();
}

absl::Status Domains(Laden& laden) {
  for (int i = 1; i < 64; ++i) {
    v1::CreateNamespaceRequest request;
    request.set_name(fmt::format("team-{}", i));
    PENSTOCK_RETURN_IF_ERROR(laden.cluster.client().CreateNamespace(request).status());
  }
  absl::SleepFor(absl::Seconds(5));  // until all have an owner
  return absl::OkStatus();
}

// A session that looks once and then keeps what it has seen.
class PinnedSession {
 public:
  explicit PinnedSession(const PgServer& server)
      : server_(server), thread_("pin", [server] {
          (void)Psql(server,
                     "begin isolation level repeatable read; select count(*) from penstock.run; "
                     "select pg_sleep(86400);",
                     absl::Hours(24));
        }) {}
  ~PinnedSession() {
    (void)Psql(server_,
               "select pg_terminate_backend(pid) from pg_stat_activity "
               "where query like '%pg_sleep(86400)%' and pid <> pg_backend_pid()",
               absl::Minutes(1));
  }
  PinnedSession(const PinnedSession&) = delete;
  PinnedSession& operator=(const PinnedSession&) = delete;

 private:
  const PgServer server_;
  service::Thread thread_;
};

absl::Status PinnedHorizon(Laden& laden) {
  laden.kept.push_back(std::make_shared<PinnedSession>(laden.facts.socket_dir));
  absl::SleepFor(absl::Seconds(1));
  return absl::OkStatus();
}

std::vector<Load> Loads(double scale) {
  return {{"10 million ended instances", History, {}},
          {"10,000 live runs", LiveRuns, {}},
          {"1 million waiting", WaitingTasks, {}},
          {"1,000 workers", Workers, {}},
          {"64 domains", Domains, {}},
          {"pinned horizon", PinnedHorizon, absl::Minutes(10) * scale}};
}

// One cluster with the load and one without, in turns.
absl::Status MeasureLoad(const Settings& settings, const Load& load, Report* report) {
  const auto start = [&](const char* name) -> absl::StatusOr<std::unique_ptr<Cluster>> {
    PENSTOCK_ASSIGN_OR_RETURN(
        auto cluster,
        Cluster::Start({settings.bin_dir, fmt::format("{}/growth-{}", settings.work_dir, name), 1,
                        1, kSlots}));
    PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Wide("trips", kTasks, kTrip)));
    PENSTOCK_RETURN_IF_ERROR(Throughput(cluster->client(), settings.scale).status());  // warm
    return cluster;
  };
  PENSTOCK_ASSIGN_OR_RETURN(const auto plain, start("plain"));
  PENSTOCK_ASSIGN_OR_RETURN(const auto cluster, start("laden"));
  PENSTOCK_ASSIGN_OR_RETURN(ClusterFacts facts, cluster->Facts());
  Laden laden{settings, *cluster, std::move(facts), {}};
  PENSTOCK_RETURN_IF_ERROR(load.begin(laden));
  const SteadyTime begin = RealClock().Steady();
  for (int round = 0; round < settings.rounds;) {
    PENSTOCK_ASSIGN_OR_RETURN(const double before, Throughput(plain->client(), settings.scale));
    PENSTOCK_ASSIGN_OR_RETURN(const double during, Throughput(cluster->client(), settings.scale));
    PENSTOCK_ASSIGN_OR_RETURN(const double after, Throughput(plain->client(), settings.scale));
    const absl::Duration passed = RealClock().Steady() - begin;
    if (passed < load.at_least / 2) continue;
    report->Add("growth " + load.name, "", 2 * during / (before + after));
    if (passed >= load.at_least) ++round;
  }
  report->Goal("growth " + load.name, ">= 0.8");
  return absl::OkStatus();
}

// ---- Slow databases: beside the floor, which is slowed down as well ----

constexpr char kSlowCommits[] = "commits of 1 ms";
constexpr char kFarDatabase[] = "database 3 ms away";

absl::Status MeasureBesideFloor(const Settings& settings, const std::string& name,
                                client::Client& client, const PgServer& server, Report* report) {
  PENSTOCK_RETURN_IF_ERROR(Throughput(client, settings.scale).status());  // warm
  for (int round = 0; round < settings.rounds; ++round) {
    PENSTOCK_ASSIGN_OR_RETURN(const double floor,
                              MeasureFloor(server, settings.work_dir, kFloorLength));
    PENSTOCK_ASSIGN_OR_RETURN(const double rate, Throughput(client, settings.scale));
    report->Add(fmt::format("{}: floor", name), "tasks/s", floor);
    report->Add(fmt::format("{}: of the floor", name), "", rate / floor);
  }
  report->Goal(fmt::format("{}: of the floor", name), ">= 0.8");
  return absl::OkStatus();
}

absl::Status SlowCommits(const Settings& settings, Report* report) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start({settings.bin_dir, settings.work_dir + "/growth-commits", 1, 1, kSlots}));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Wide("trips", kTasks, kTrip)));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  for (const char* setting : {"alter system set commit_delay = 1000",
                              "alter system set commit_siblings = 0", "select pg_reload_conf()"}) {
    PENSTOCK_RETURN_IF_ERROR(Psql(facts.socket_dir, setting, absl::Minutes(1)).status());
  }
  return MeasureBesideFloor(settings, kSlowCommits, cluster->client(), facts.socket_dir, report);
}

absl::Status FarDatabase(const Settings& settings, Report* report) {
  chaos::FleetOptions options;
  options.bin_dir = settings.bin_dir;
  options.data_dir = settings.work_dir;
  options.schedulers = 1;
  options.workers = 1;
  options.slots = kSlots;
  PENSTOCK_ASSIGN_OR_RETURN(const auto fleet, chaos::Fleet::Start(options));
  const auto client = fleet->NewClient(absl::Seconds(30));
  PENSTOCK_RETURN_IF_ERROR(ApplyDag(*client, Wide("trips", kTasks, kTrip)));
  fleet->database_proxy(0).Command(kFarAway);
  return MeasureBesideFloor(settings, kFarDatabase, *client,
                            {"127.0.0.1", fleet->database_proxy(0).port()}, report);
}

}  // namespace

absl::Status MeasureGrowth(const Settings& settings, Report* report) {
  for (const Load& load : Loads(settings.scale)) {
    if (!Wanted(settings, load.name)) continue;
    PENSTOCK_RETURN_IF_ERROR(MeasureLoad(settings, load, report));
  }
  if (Wanted(settings, kSlowCommits)) PENSTOCK_RETURN_IF_ERROR(SlowCommits(settings, report));
  return Wanted(settings, kFarDatabase) ? FarDatabase(settings, report) : absl::OkStatus();
}

}  // namespace penstock::bench
