#include <algorithm>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "tests/bench/cluster.h"
#include "tests/bench/measure.h"
#include "tests/bench/resources.h"
#include "tests/bench/shapes.h"

namespace penstock::bench {
namespace {

constexpr int kWide = 50'000;
constexpr int kRunsPerStep = 20;  // a million task instances
constexpr int kSteps = 12;
constexpr absl::Duration kSettle = absl::Seconds(4);
constexpr absl::Duration kIdle = absl::Seconds(60);

}  // namespace

absl::Status MeasureMemory(const Settings& settings, Report* report) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start({settings.bin_dir, settings.work_dir + "/memory", 1, 1, 64}));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Gated("gated", kWide, 3600)));
  // What reading the file has freed again is used first, and only then does the process grow: the
  // slope of the second half counts.
  const int runs = std::max(1, static_cast<int>(kRunsPerStep * settings.scale));
  std::vector<double> resident;
  for (int step = 0; step < kSteps; ++step) {
    PENSTOCK_RETURN_IF_ERROR(cluster->Trigger(cluster->client(), "gated", runs).status());
    absl::SleepFor(kSettle);
    resident.push_back(ResidentBytes(facts.pids.at("scheduler").at(0)));
    if (step == 0) report->Add("scheduler, first million waiting", "MB", resident.back() / 1e6);
  }
  constexpr int kHalf = kSteps / 2;
  const double growth = resident.back() - resident[kHalf - 1];
  report->Add("bytes per waiting task", "B", growth / (static_cast<double>(kHalf) * runs * kWide));
  report->Goal("bytes per waiting task", "<= 64 (later 32)");
  return absl::OkStatus();
}

absl::Status MeasureIdle(const Settings& settings, Report* report) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster, Cluster::Start({settings.bin_dir, settings.work_dir + "/idle", 1, 1, 4}));
  absl::SleepFor(kSettle);
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts before, cluster->Facts());
  const auto used = [&] {
    absl::Duration sum;
    for (const auto& [role, pids] : before.pids) sum += CpuTime(pids);
    return sum;
  };
  const absl::Duration begin = used();
  const absl::Duration length = settings.scale < 1 ? kSettle : kIdle;
  absl::SleepFor(length);
  report->Add("idle cpu", "% core", 100 * absl::FDivDuration(used() - begin, length));
  report->Goal("idle cpu", "< 1");
  return absl::OkStatus();
}

}  // namespace penstock::bench
