// penstock-soak: a fleet under load and random faults, judged by what its tasks wrote themselves.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/testing/temp_dir.h"
#include "fmt/format.h"
#include "tests/bench/resources.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/fleet.h"
#include "tests/chaos/truth.h"
#include "tests/chaos/workload.h"

namespace penstock::chaos {
namespace {

constexpr const char* kHelp =
    "penstock-soak: runs a fleet of the binaries of build/<preset>/bin under load and faults\n"
    "  --seconds N      of faults (180)\n"
    "  --seed N         of the faults (1)\n"
    "  --pause MS       between two faults, on average (2500)\n"
    "  --pace MS        between two runs of 9 tasks (150)\n"
    "  --slots N        of each worker (8)   --pool N   slots of the tasks' pool (3)\n"
    "  --schedulers N   (3)   --workers N   (3)\n"
    "  --machines       each part in a network namespace of its own, whose packets are lost "
    "(root)\n"
    "  --bin DIR        the programs (../bin of this one)\n"
    "  --keep           leave the data, logs and the tasks' file for a look\n"
    "Ends with 0 when nothing was lost, doubled, overlapping, out of order or over its limit.\n";

struct Settings {
  int64_t seconds = 180;
  uint64_t seed = 1;
  absl::Duration pause = absl::Milliseconds(2500);
  absl::Duration pace = absl::Milliseconds(150);
  bool keep = false;
  WorkloadShape workload;
  FleetOptions fleet;
};

constexpr absl::Duration kBoundAfterFaults = absl::Seconds(90);

class Soak {
 public:
  explicit Soak(Settings settings) : settings_(std::move(settings)) {}

  absl::StatusOr<bool> Run() {
    const std::string truth_file = settings_.fleet.data_dir + "/truth";
    std::ofstream(truth_file).close();
    PENSTOCK_ASSIGN_OR_RETURN(fleet_, Fleet::Start(settings_.fleet));
    const auto client = fleet_->NewClient(absl::Seconds(60));
    PENSTOCK_RETURN_IF_ERROR(PrepareWorkload(*client, truth_file, settings_.workload));
    begin_ = RealClock().Steady();
    begin_wall_ = absl::ToDoubleSeconds(RealClock().Wall() - absl::UnixEpoch());
    Load load(fleet_->NewClient(absl::Seconds(30)), settings_.pace);
    FaultStorm storm(*fleet_, settings_.seed, settings_.pause, RealClock(),
                     [this](const std::string& line) { Tell(line); });
    absl::SleepFor(absl::Seconds(3));
    const std::string memory = Memory();
    while (RealClock().Steady() - begin_ < absl::Seconds(settings_.seconds)) {
      storm.Step();
      Revive();
      absl::SleepFor(absl::Milliseconds(20));
    }
    storm.Calm();
    PENSTOCK_RETURN_IF_ERROR(fleet_->Heal());
    load.Stop();
    const auto recovery = WaitForEnd(*client, kBoundAfterFaults);
    const Truth truth = ReadTruth(truth_file);
    Verdict verdict = Judge(truth, load.acknowledged(), WorkloadRules(settings_.workload));
    verdict.violations.insert(verdict.violations.end(), deaths_.begin(), deaths_.end());
    if (!recovery.ok()) verdict.violations.push_back(recovery.status().ToString());
    CompareWithTruth(*client, load.acknowledged(), truth, &verdict.violations);
    std::printf(
        "\nfaults %d, runs acknowledged %zu (refused %d), attempts %lld (%lld repeated)\n"
        "longest gap between two starts %.1f s, most in the pool of %d: %d\n"
        "all ended %.1f s after the last fault\n"
        "memory then: %s\nmemory now:  %s\ndead tuples: %s\n",
        storm.count(), load.acknowledged().size(), load.refused(),
        static_cast<long long>(verdict.attempts), static_cast<long long>(verdict.repeated),
        verdict.longest_gap, WorkloadRules(settings_.workload).pool_slots, verdict.most_in_pool,
        absl::ToDoubleSeconds(recovery.value_or(absl::InfiniteDuration())), memory.c_str(),
        Memory().c_str(), fleet_->Query("select sum(n_dead_tup) from pg_stat_user_tables").c_str());
    TellOfGap(verdict);
    for (const std::string& violation : verdict.violations) {
      std::printf("VIOLATION %s\n", violation.c_str());
    }
    return verdict.violations.empty();
  }

 private:
  void Tell(const std::string& line) {
    const double seconds = absl::ToDoubleSeconds(RealClock().Steady() - begin_);
    std::printf("%7.2f %s\n", seconds, line.c_str());
    std::fflush(stdout);
    history_.emplace_back(seconds, line);
  }

  // What went on in the half minute before the longest gap, and in it.
  void TellOfGap(const Verdict& verdict) const {
    const double end = verdict.gap_end - begin_wall_;
    const double begin = end - verdict.longest_gap;
    std::printf("\nthe longest gap lasted from %.2f to %.2f:\n", begin, end);
    for (const auto& [seconds, line] : history_) {
      if (seconds < begin - 30 || seconds > end) continue;
      std::printf("%7.2f %c %s\n", seconds, seconds < begin ? ' ' : '|', line.c_str());
    }
  }

  // A program that ended by itself is a finding, and is started again.
  void Revive() {
    for (auto* nodes : {&fleet_->schedulers(), &fleet_->workers()}) {
      for (size_t i = 0; i < nodes->size(); ++i) {
        Node& node = (*nodes)[i];
        if (!node.died()) continue;
        deaths_.push_back(fmt::format("{} {} ended by itself",
                                      nodes == &fleet_->workers() ? "worker" : "scheduler", i + 1));
        Tell(deaths_.back());
        (void)node.Start();
      }
    }
  }

  // Resident megabytes of each scheduler and worker.
  std::string Memory() {
    std::string text;
    for (auto* nodes : {&fleet_->schedulers(), &fleet_->workers()}) {
      for (const Node& node : *nodes) {
        text += fmt::format("{:.0f} ", bench::ResidentBytes(node.pid()) / 1e6);
      }
    }
    return text + "MB";
  }

  const Settings settings_;
  std::unique_ptr<Fleet> fleet_;
  SteadyTime begin_;
  double begin_wall_ = 0;  // the same by the tasks' clock, in seconds
  std::vector<std::pair<double, std::string>> history_;
  std::vector<std::string> deaths_;
};

bool Parse(const std::vector<std::string>& args, Settings* settings) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--keep") {
      settings->keep = true;
      continue;
    }
    if (args[i] == "--machines") {
      settings->fleet.machines = true;
      continue;
    }
    if (i + 1 == args.size()) return false;
    const std::string& value = args[++i];
    const std::string& flag = args[i - 1];
    int64_t number = 0;
    if (flag != "--bin" && !absl::SimpleAtoi(value, &number)) return false;
    if (flag == "--seconds") {
      settings->seconds = number;
    } else if (flag == "--seed") {
      settings->seed = static_cast<uint64_t>(number);
    } else if (flag == "--pause") {
      settings->pause = absl::Milliseconds(number);
    } else if (flag == "--pace") {
      settings->pace = absl::Milliseconds(number);
    } else if (flag == "--schedulers") {
      settings->fleet.schedulers = static_cast<int>(number);
    } else if (flag == "--workers") {
      settings->fleet.workers = static_cast<int>(number);
    } else if (flag == "--slots") {
      settings->fleet.slots = static_cast<int>(number);
    } else if (flag == "--pool") {
      settings->workload.pool_slots = static_cast<int>(number);
    } else if (flag == "--bin") {
      settings->fleet.bin_dir = value;
    } else {
      return false;
    }
  }
  return settings->seconds > 0 && settings->fleet.schedulers > 0 && settings->fleet.workers > 0;
}

int Main(const std::vector<std::string>& args) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const auto self = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  Settings settings;
  settings.fleet.schedulers = 3;
  settings.fleet.workers = 3;
  settings.fleet.bin_dir = (self.parent_path() / "bin").string();
  if (!Parse(args, &settings)) {
    std::fputs(kHelp, stderr);
    return 2;
  }
  const absl::Status isolated = settings.fleet.machines ? Machines::Isolate() : absl::OkStatus();
  if (!isolated.ok()) {
    const bool skipped = absl::IsPermissionDenied(isolated);
    std::printf("%s %s\n", skipped ? "SKIP" : "FAIL", isolated.ToString().c_str());
    return skipped ? 0 : 1;
  }
  testing::TempDir dir("soak");
  settings.fleet.data_dir = dir.path().string();
  std::printf("seed %llu, %lld s, data in %s\n", static_cast<unsigned long long>(settings.seed),
              static_cast<long long>(settings.seconds), dir.path().c_str());
  absl::StatusOr<bool> good = Soak(settings).Run();
  if (!good.ok()) std::printf("FAILED %s\n", good.status().ToString().c_str());
  const bool passed = good.value_or(false);
  if (settings.keep || !passed) {
    dir.Keep();
    std::printf("kept: %s\n", dir.path().c_str());
  }
  std::puts(passed ? "PASS" : "FAIL");
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace penstock::chaos

int main(int argc, char** argv) {
  return penstock::chaos::Main(std::vector<std::string>(argv + 1, argv + argc));
}
