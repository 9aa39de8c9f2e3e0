#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/process/spawn.h"
#include "fmt/format.h"
#include "tests/bench/cluster.h"
#include "tests/bench/floor.h"
#include "tests/bench/measure.h"
#include "tests/bench/resources.h"
#include "tests/bench/runs.h"
#include "tests/bench/shapes.h"

namespace penstock::bench {
namespace {

constexpr absl::Duration kFloorLength = absl::Seconds(5);

struct Shape {
  std::string name;
  std::string yaml;
  int tasks;  // of one run
  int runs;
};

std::vector<Shape> Shapes(const Settings& settings) {
  const auto scaled = [&](int count) {
    return std::max(1, static_cast<int>(count * settings.scale));
  };
  const int wide = scaled(100'000), fan = scaled(10'000);
  std::vector<Shape> shapes = {
      {"runs-of-10", Wide("runs-of-10", 10, kTrip), 10, scaled(20'000)},
      {"runs-of-100", Wide("runs-of-100", 100, kTrip), 100, scaled(2'000)},
      {"wide-100k", Wide("wide-100k", wide, kTrip), wide, 1},
      {"layered-10x10", Layered("layered-10x10", 10, 10, kTrip), 100, scaled(500)},
      {"fan-10k", FanOutIn("fan-10k", fan, kTrip), fan + 2, 3},
      {"chains-of-100", Chain("chains-of-100", 100, kTrip), 100, scaled(400)}};
  std::erase_if(shapes, [&](const Shape& shape) { return !Wanted(settings, shape.name); });
  return shapes;
}

struct Rate {
  double tasks_per_second = 0;
  std::map<std::string, double> cpu_us;  // per task, by role
};

absl::StatusOr<Rate> Measure(Cluster& cluster, const std::string& dag, int runs, int tasks) {
  const auto used = cluster.CpuUsed();
  const absl::Time begin = RealClock().Wall();
  PENSTOCK_RETURN_IF_ERROR(cluster.Trigger(cluster.client(), dag, runs).status());
  PENSTOCK_RETURN_IF_ERROR(WaitForRunsOf(cluster.client(), dag, absl::Minutes(5)));
  const double all = static_cast<double>(runs) * tasks;
  const Rate rate{all / absl::ToDoubleSeconds(RealClock().Wall() - begin),
                  CpuMicrosPerItem(used, cluster.CpuUsed(), all)};
  PENSTOCK_RETURN_IF_ERROR(cluster.WaitForAll(absl::Minutes(5)));  // looks whether one failed
  return rate;
}

}  // namespace

absl::Status MeasureThroughput(const Settings& settings, Report* report) {
  const std::vector<Shape> shapes = Shapes(settings);
  if (shapes.empty()) return absl::OkStatus();
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start({settings.bin_dir, settings.work_dir + "/throughput", 1, 1, 4096}));
  for (const Shape& shape : shapes) PENSTOCK_RETURN_IF_ERROR(cluster->Apply(shape.yaml));
  PENSTOCK_ASSIGN_OR_RETURN(const ClusterFacts facts, cluster->Facts());
  for (int round = 0; round < settings.rounds; ++round) {
    PENSTOCK_ASSIGN_OR_RETURN(const double floor,
                              MeasureFloor(facts.socket_dir, settings.work_dir, kFloorLength));
    report->Add("floor_1000", "tasks/s", floor);
    for (const Shape& shape : shapes) {
      PENSTOCK_ASSIGN_OR_RETURN(const Rate rate,
                                Measure(*cluster, shape.name, shape.runs, shape.tasks));
      const double ratio = rate.tasks_per_second / floor;
      report->Add(fmt::format("noop {}", shape.name), "tasks/s", rate.tasks_per_second);
      report->Add(fmt::format("noop_ratio {}", shape.name), "", ratio);
      for (const auto& [role, us] : rate.cpu_us) {
        report->Add(fmt::format("  cpu {} {}", role, shape.name), "us/task", us);
      }
    }
  }
  for (const Shape& shape : shapes) {
    if (shape.name.starts_with("chains")) continue;
    report->Goal(fmt::format("noop_ratio {}", shape.name), ">= 0.3 (later 0.6)");
  }
  return absl::OkStatus();
}

absl::Status MeasureShell(const Settings& settings, Report* report) {
  const int tasks = std::max(10, static_cast<int>(4'000 * settings.scale));
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto cluster,
      Cluster::Start({settings.bin_dir, settings.work_dir + "/shell", 1, 1, 16}));
  PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Wide("shell", 100, "sh: ':'")));
  const int runs = std::max(1, tasks / 100);
  process::ProcessSpec xargs;
  xargs.argv = {"/bin/sh", "-c", fmt::format("seq {} | xargs -P2 -n1 sh -c :", tasks)};
  for (int round = 0; round < settings.rounds; ++round) {
    const absl::Time begin = RealClock().Wall();
    PENSTOCK_ASSIGN_OR_RETURN(const process::CommandResult result,
                              process::RunCommand(xargs, absl::Minutes(5)));
    if (!result.ok()) return absl::InternalError("xargs failed: " + result.output);
    const double floor = tasks / absl::ToDoubleSeconds(RealClock().Wall() - begin);
    PENSTOCK_ASSIGN_OR_RETURN(const Rate rate, Measure(*cluster, "shell", runs, 100));
    report->Add("xargs", "tasks/s", floor);
    report->Add("shell", "tasks/s", rate.tasks_per_second);
    report->Add("shell_ratio", "", rate.tasks_per_second / floor);
  }
  report->Goal("shell_ratio", ">= 0.6 (later 0.8)");
  return absl::OkStatus();
}

}  // namespace penstock::bench
