#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/service/thread.h"
#include "fmt/format.h"
#include "tests/bench/cluster.h"
#include "tests/bench/floor.h"
#include "tests/bench/measure.h"
#include "tests/bench/runs.h"
#include "tests/bench/shapes.h"

namespace penstock::bench {
namespace {

constexpr int kChain = 200;
constexpr int kRoundTrips = 2'000;
constexpr absl::Duration kPatience = absl::Minutes(5);
constexpr int kLoadRun = 100;  // tasks of a run of the background load
// Between two edges of an idle chain of processes: what a commit and a round trip cost at that
// pace, and not one right after the other, is told beside.
constexpr absl::Duration kPause = absl::Milliseconds(1);

struct Quantiles {
  double p50 = 0, p99 = 0;  // microseconds
};

absl::StatusOr<Quantiles> MeasureChain(Cluster& cluster, const std::string& dag) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> runs,
                            cluster.Trigger(cluster.client(), dag, 1));
  PENSTOCK_RETURN_IF_ERROR(WaitForRun(cluster.client(), runs[0], kPatience));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> edges, Edges(cluster.client(), runs[0]));
  return Quantiles{Quantile(edges, 0.5), Quantile(edges, 0.99)};
}

absl::StatusOr<double> CommitMicros(const Settings& settings, const ClusterFacts& facts,
                                    absl::Duration pause = absl::ZeroDuration()) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const Commits commits,
      MeasureCommits(facts.socket_dir, settings.work_dir, 1, absl::Seconds(1), pause));
  return absl::ToDoubleMicroseconds(commits.p50);
}

void Tell(const std::string& name, const Quantiles& edge, double unit, Report* report) {
  report->Add(name + " p50", "us", edge.p50);
  report->Add(name + " p99", "us", edge.p99);
  report->Add(fmt::format("edge_ratio {} p50", name), "", edge.p50 / unit);
  report->Add(fmt::format("edge_ratio {} p99", name), "", edge.p99 / unit);
}

// Median time of a small unary call, `pause` after the one before.
absl::StatusOr<double> RoundTrip(Cluster& cluster, absl::Duration pause = absl::ZeroDuration()) {
  std::vector<double> times;
  for (int i = 0; i < kRoundTrips; ++i) {
    absl::SleepFor(pause);
    const absl::Time begin = RealClock().Wall();
    PENSTOCK_RETURN_IF_ERROR(cluster.client().GetCluster({}).status());
    times.push_back(absl::ToDoubleMicroseconds(RealClock().Wall() - begin));
  }
  return Quantile(times, 0.5);
}

// Runs of noop tasks at a fixed pace from a thread of its own, for as long as it lives.
class BackgroundLoad {
 public:
  BackgroundLoad(Cluster& cluster, double tasks_per_second)
      : thread_("bench-load", [this, &cluster, pause = absl::Seconds(kLoadRun / tasks_per_second)] {
          const auto client = cluster.NewClient();
          absl::Time next = RealClock().Wall();
          while (!stop_.load()) {
            (void)cluster.Trigger(*client, "load", 1);
            next += pause;
            absl::SleepFor(next - RealClock().Wall());
          }
        }) {}
  ~BackgroundLoad() {
    stop_ = true;
    thread_.Join();
  }
  BackgroundLoad(const BackgroundLoad&) = delete;
  BackgroundLoad& operator=(const BackgroundLoad&) = delete;

 private:
  std::atomic<bool> stop_{false};
  service::Thread thread_;
};

}  // namespace

absl::Status MeasureEdges(const Settings& settings, Report* report) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start({settings.bin_dir, settings.work_dir + "/edges", 1, 1, 256}));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Chain("noop-chain", kChain, kTrip)));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Chain("process-chain", kChain, "exec: ['true']")));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Wide("load", kLoadRun, kTrip)));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  // What the cluster can take, for the half load.
  const int warm = std::max(1, static_cast<int>(400 * settings.scale));
  const absl::Time begin = RealClock().Wall();
  PENSTOCK_RETURN_IF_ERROR(cluster->Trigger(cluster->client(), "load", warm).status());
  PENSTOCK_RETURN_IF_ERROR(cluster->WaitForAll(absl::Minutes(5)));
  const double capacity = warm * kLoadRun / absl::ToDoubleSeconds(RealClock().Wall() - begin);
  for (int round = 0; round < settings.rounds; ++round) {
    PENSTOCK_ASSIGN_OR_RETURN(const double trip, RoundTrip(*cluster));
    report->Add("grpc round trip", "us", trip);
    PENSTOCK_ASSIGN_OR_RETURN(const double slow_trip, RoundTrip(*cluster, kPause));
    PENSTOCK_ASSIGN_OR_RETURN(const double slow_commit, CommitMicros(settings, facts, kPause));
    report->Add("grpc round trip after 1 ms", "us", slow_trip);
    report->Add("commit, 1000 a second", "us", slow_commit);
    // The disk's pace changes from second to second here: commits are measured before and after.
    PENSTOCK_ASSIGN_OR_RETURN(double commit, CommitMicros(settings, facts));
    for (const std::string chain : {"noop-chain", "process-chain"}) {
      PENSTOCK_ASSIGN_OR_RETURN(const Quantiles edge, MeasureChain(*cluster, chain));
      PENSTOCK_ASSIGN_OR_RETURN(const double after, CommitMicros(settings, facts));
      Tell(chain + " idle", edge, (commit + after) / 2 + trip, report);
      report->Add(fmt::format("{} idle p50, of both at that pace", chain), "",
                  edge.p50 / (slow_commit + slow_trip));
      report->Add("commit", "us", std::exchange(commit, after));
    }
    std::unique_ptr<BackgroundLoad> load = std::make_unique<BackgroundLoad>(*cluster, capacity / 2);
    PENSTOCK_ASSIGN_OR_RETURN(const Quantiles edge, MeasureChain(*cluster, "process-chain"));
    load.reset();
    PENSTOCK_RETURN_IF_ERROR(cluster->WaitForAll(absl::Minutes(5)));
    Tell("process-chain half load", edge, commit + trip, report);
  }
  report->Goal("edge_ratio process-chain idle p50", "<= 4 (later 2)");
  report->Goal("edge_ratio process-chain idle p99", "later <= 6");
  report->Goal("edge_ratio process-chain half load p99", "later <= 20");
  return absl::OkStatus();
}

}  // namespace penstock::bench
