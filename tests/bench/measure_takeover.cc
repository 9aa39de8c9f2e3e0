#include <algorithm>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "tests/bench/cluster.h"
#include "tests/bench/herd.h"
#include "tests/bench/measure.h"
#include "tests/bench/runs.h"
#include "tests/bench/shapes.h"

namespace penstock::bench {
namespace {

constexpr int kLive = 100'000;
constexpr int kTasksPerRun = 1000;
constexpr int kChain = 100;
constexpr absl::Duration kBeforeTheKill = absl::Seconds(2);
constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr char kSleep[] = "sh: sleep 0.05";
// Before a DAG: its tasks are for the herd, or for nobody.
constexpr char kOfTheHerd[] = "defaults: {queue: herd}\n";

int Scaled(int count, double scale) { return std::max(1, static_cast<int>(count * scale)); }

// The scheduler that owns the domain of "default".
absl::StatusOr<size_t> OwnerIndex(client::Client& client) {
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Cluster cluster, client.GetCluster({}));
  for (const v1::Scheduler& scheduler : cluster.schedulers()) {
    if (cluster.domains_size() == 0 || scheduler.id() != cluster.domains(0).owner()) continue;
    return static_cast<size_t>(std::stoi(scheduler.name().substr(scheduler.name().rfind('-') + 1)) -
                               1);
  }
  return absl::NotFoundError("nobody owns the domain");
}

absl::StatusOr<std::vector<std::string>> Addresses(client::Client& client) {
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Cluster cluster, client.GetCluster({}));
  std::vector<std::string> addresses;
  for (const v1::Scheduler& scheduler : cluster.schedulers()) {
    addresses.push_back(scheduler.address());
  }
  return addresses;
}

absl::Status Until(const std::function<bool()>& done) {
  const SteadyTime give_up = RealClock().Steady() + kPatience;
  while (!done()) {
    if (RealClock().Steady() > give_up) return absl::DeadlineExceededError("it does not come");
    absl::SleepFor(kPollPeriod);
  }
  return absl::OkStatus();
}

// Seconds between the last task before the kill of the owner and the first one after it.
absl::StatusOr<double> Takeover(const Settings& settings, int round) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start(
          {settings.bin_dir, fmt::format("{}/takeover-{}", settings.work_dir, round), 2, 1, 4}));
  client::Client& client = cluster->client();
  const int live = Scaled(kLive, settings.scale);
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(kOfTheHerd + Wide("held", kTasksPerRun, kTrip)));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Chain("chain", kChain, kSleep)));
  PENSTOCK_ASSIGN_OR_RETURN(const auto addresses, Addresses(client));
  const WorkerHerd holder({addresses, 1, live, "herd"});
  PENSTOCK_RETURN_IF_ERROR(
      TriggerRuns(client, "held", (live + kTasksPerRun - 1) / kTasksPerRun).status());
  PENSTOCK_RETURN_IF_ERROR(Until([&] { return holder.held() >= live; }));
  PENSTOCK_ASSIGN_OR_RETURN(const auto chain, TriggerRuns(client, "chain", 1));
  absl::SleepFor(kBeforeTheKill);
  PENSTOCK_ASSIGN_OR_RETURN(const size_t owner, OwnerIndex(client));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  kill(facts.pids.at("scheduler").at(owner), SIGKILL);
  PENSTOCK_RETURN_IF_ERROR(WaitForRun(client, chain[0], kPatience));
  PENSTOCK_ASSIGN_OR_RETURN(const auto edges, Edges(client, chain[0]));
  if (holder.lost() > 0) return absl::InternalError("the holder's session was lost");
  return Quantile(edges, 1) / 1e6;
}

// A chain beside which nothing happens, then one beside which a huge run is submitted.
absl::Status BigRun(Cluster& cluster, int tasks, Report* report) {
  client::Client& client = cluster.client();
  PENSTOCK_ASSIGN_OR_RETURN(const auto calm, TriggerRuns(client, "chain", 1));
  PENSTOCK_RETURN_IF_ERROR(WaitForRun(client, calm[0], kPatience));
  PENSTOCK_ASSIGN_OR_RETURN(const auto disturbed, TriggerRuns(client, "chain", 1));
  absl::SleepFor(kBeforeTheKill);
  const SteadyTime begin = RealClock().Steady();
  PENSTOCK_ASSIGN_OR_RETURN(const auto big, TriggerRuns(client, "big", 1));
  PENSTOCK_RETURN_IF_ERROR(Until([&] {
    const auto queues = client.ListQueues({});
    if (!queues.ok()) return false;
    return std::any_of(queues->queues().begin(), queues->queues().end(), [&](const auto& queue) {
      return queue.name() == "herd" && queue.ready() >= tasks;
    });
  }));
  report->Add("run of 100,000 ready after", "s",
              absl::ToDoubleSeconds(RealClock().Steady() - begin));
  PENSTOCK_RETURN_IF_ERROR(WaitForRun(client, disturbed[0], kPatience));
  PENSTOCK_ASSIGN_OR_RETURN(const auto before, Edges(client, calm[0]));
  PENSTOCK_ASSIGN_OR_RETURN(const auto after, Edges(client, disturbed[0]));
  report->Add("longest edge without it", "ms", Quantile(before, 1) / 1e3);
  report->Add("longest edge beside it", "ms", Quantile(after, 1) / 1e3);
  report->Add("edge delayed by it", "ms", (Quantile(after, 1) - Quantile(before, 0.5)) / 1e3);
  v1::CancelRunRequest cancel;
  cancel.mutable_run()->set_id(big[0]);
  PENSTOCK_RETURN_IF_ERROR(client.CancelRun(cancel).status());
  return WaitForRunsOf(client, "big", kPatience);
}

}  // namespace

absl::Status MeasureTakeover(const Settings& settings, Report* report) {
  for (int round = 0; round < settings.rounds; ++round) {
    PENSTOCK_ASSIGN_OR_RETURN(const double gap, Takeover(settings, round));
    report->Add("gap, takeover with 100,000 live", "s", gap);
  }
  report->Goal("gap, takeover with 100,000 live", "< 1");
  return absl::OkStatus();
}

absl::Status MeasureBigRun(const Settings& settings, Report* report) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster, Cluster::Start({settings.bin_dir, settings.work_dir + "/big", 1, 1, 4}));
  const int tasks = Scaled(kLive, settings.scale);
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Chain("chain", kChain, kSleep)));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(kOfTheHerd + Wide("big", tasks, kTrip)));
  for (int round = 0; round < settings.rounds; ++round) {
    PENSTOCK_RETURN_IF_ERROR(BigRun(*cluster, tasks, report));
  }
  report->Goal("run of 100,000 ready after", "< 1");
  report->Goal("edge delayed by it", "<= 20");
  return absl::OkStatus();
}

}  // namespace penstock::bench
