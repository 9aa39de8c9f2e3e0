#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "tests/bench/api_load.h"
#include "tests/bench/cluster.h"
#include "tests/bench/floor.h"
#include "tests/bench/measure.h"
#include "tests/bench/resources.h"
#include "tests/bench/shapes.h"

namespace penstock::bench {
namespace {

constexpr int kClients = 50;
constexpr int kBatch = 1000;
constexpr int kBatchClients = 4;
constexpr absl::Duration kLength = absl::Seconds(5);

absl::StatusOr<ApiLoadResult> Call(const ApiLoadOptions& options, absl::Duration length) {
  ApiLoadResult result = LoadFor(options, length);
  for (const auto& [code, count] : result.refused) {
    return absl::Status(code, fmt::format("{} calls were refused", count));
  }
  return result;
}

// Of all that take part, this program included.
std::map<std::string, absl::Duration> CpuUsed(const Cluster& cluster) {
  std::map<std::string, absl::Duration> used = cluster.CpuUsed();
  used["client"] = CpuTime({getpid()});
  return used;
}

struct Submission : ApiLoadResult {
  std::map<std::string, double> cpu_us;  // per run, by role
};

// What was acknowledged is executed as well, in the same time and on the same processors.
absl::StatusOr<Submission> Submit(Cluster& cluster, const ApiLoadOptions& options,
                                  absl::Duration length) {
  const auto before = CpuUsed(cluster);
  PENSTOCK_ASSIGN_OR_RETURN(ApiLoadResult result, Call(options, length));
  PENSTOCK_RETURN_IF_ERROR(cluster.WaitForAll(absl::Minutes(5)));
  const auto count = static_cast<double>(result.runs);
  return Submission{std::move(result), CpuMicrosPerItem(before, CpuUsed(cluster), count)};
}

// Beside pgbench: 50 clients whose calls do nothing, which is what gRPC itself costs here, and
// whose runs wait, because their queue has no worker.
absl::Status MeasureAcceptance(const Settings& settings, absl::Duration length, Report* report) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start({settings.bin_dir, settings.work_dir + "/accept", 1, 1, 1}));
  PENSTOCK_RETURN_IF_ERROR(
      cluster->Apply(Wide("waiting", 1, fmt::format("{}, queue: nobody", kTrip))));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  const ApiLoadOptions runs{facts.address, "waiting", kClients, 1, 1, ""};
  const ApiLoadOptions nothing{facts.address, "", kClients, 1, 0, ""};
  for (int round = 0; round < settings.rounds; ++round) {
    PENSTOCK_ASSIGN_OR_RETURN(
        const Commits commits,
        MeasureCommits(facts.socket_dir, settings.work_dir, kClients, length));
    PENSTOCK_ASSIGN_OR_RETURN(const ApiLoadResult calls, Call(nothing, length));
    PENSTOCK_ASSIGN_OR_RETURN(const ApiLoadResult accepted, Call(runs, length));
    report->Add("empty calls, 50 clients, of pgbench", "",
                calls.runs_per_second() / commits.per_second);
    report->Add("accepted only, 50 clients, of pgbench", "",
                accepted.runs_per_second() / commits.per_second);
  }
  return absl::OkStatus();
}

void Tell(const std::string& name, const Submission& result, Report* report) {
  report->Add(name, "runs/s", result.runs_per_second());
  report->Add(name + " p50", "us", Quantile(result.micros, 0.5));
  report->Add(name + " p99", "us", Quantile(result.micros, 0.99));
  for (const auto& [role, us] : result.cpu_us) {
    report->Add(fmt::format("  cpu {} {}", role, name), "us/run", us);
  }
}

}  // namespace

absl::Status MeasureSubmit(const Settings& settings, Report* report) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start({settings.bin_dir, settings.work_dir + "/submit", 1, 1, 4096}));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Wide("single", 1, kTrip)));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  const absl::Duration length = std::max(absl::Seconds(1), kLength * settings.scale);
  ApiLoadOptions one{facts.address, "single", 1, 1, 1, ""};
  ApiLoadOptions fifty{facts.address, "single", kClients, 1, 1, ""};
  ApiLoadOptions batches{facts.address, "single", kBatchClients, 1, kBatch, ""};
  PENSTOCK_RETURN_IF_ERROR(Submit(*cluster, fifty, absl::Seconds(1)).status());  // warm
  for (int round = 0; round < settings.rounds; ++round) {
    PENSTOCK_ASSIGN_OR_RETURN(const Commits commit,
                              MeasureCommits(facts.socket_dir, settings.work_dir, 1, length / 2));
    PENSTOCK_ASSIGN_OR_RETURN(const Submission alone, Submit(*cluster, one, length / 2));
    PENSTOCK_ASSIGN_OR_RETURN(
        const Commits commits,
        MeasureCommits(facts.socket_dir, settings.work_dir, kClients, length));
    PENSTOCK_ASSIGN_OR_RETURN(const Submission together, Submit(*cluster, fifty, length));
    PENSTOCK_ASSIGN_OR_RETURN(const double floor,
                              MeasureFloor(facts.socket_dir, settings.work_dir, length));
    PENSTOCK_ASSIGN_OR_RETURN(const Submission batched, Submit(*cluster, batches, length));
    report->Add("commit", "us", absl::ToDoubleMicroseconds(commit.p50));
    Tell("submit, 1 client", alone, report);
    report->Add("submit p99, 1 client, in commits", "",
                Quantile(alone.micros, 0.99) / absl::ToDoubleMicroseconds(commit.p50));
    report->Add("submit p99, 1 client, of a commit's p99", "",
                Quantile(alone.micros, 0.99) / absl::ToDoubleMicroseconds(commit.p99));
    report->Add("pgbench, 50 clients", "rows/s", commits.per_second);
    report->Add("pgbench, 50 clients p99", "us", absl::ToDoubleMicroseconds(commits.p99));
    Tell("submit, 50 clients", together, report);
    report->Add("submit_ratio, 50 clients", "", together.runs_per_second() / commits.per_second);
    report->Add("submit p99 of pgbench's p99", "",
                Quantile(together.micros, 0.99) / absl::ToDoubleMicroseconds(commits.p99));
    report->Add("floor_1000", "tasks/s", floor);
    Tell("submit, batches of 1000", batched, report);
    report->Add("submit_ratio, batches", "", batched.runs_per_second() / floor);
  }
  PENSTOCK_RETURN_IF_ERROR(MeasureAcceptance(settings, length, report));
  report->Goal("submit_ratio, 50 clients", ">= 0.5");
  report->Goal("submit_ratio, batches", ">= 0.2");
  report->Goal("submit p99, 1 client, in commits", "<= 20");
  return absl::OkStatus();
}

}  // namespace penstock::bench
