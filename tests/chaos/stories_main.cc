// penstock-story NAME...: faults that need a script of their own, each on a fleet of its own.
//   restore         the database is put back to an older state under the schedulers' feet
//   all-schedulers  all schedulers are killed and started again: running tasks go on
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/process/spawn.h"
#include "common/testing/temp_dir.h"
#include "fmt/format.h"
#include "tests/chaos/fleet.h"
#include "tests/chaos/workload.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kPace = absl::Milliseconds(150);
constexpr absl::Duration kBound = absl::Seconds(60);

absl::Status Copy(const std::string& from, const std::string& to) {
  process::ProcessSpec spec;
  spec.argv = {"cp", "-a", from, to};
  PENSTOCK_ASSIGN_OR_RETURN(const auto result, process::RunCommand(spec, absl::Minutes(1)));
  return result.ok() ? absl::OkStatus() : absl::InternalError(result.output);
}

// Prints what does not hold; whether all did.
bool Tell(const std::vector<std::string>& violations) {
  for (const std::string& violation : violations) std::printf("VIOLATION %s\n", violation.c_str());
  return violations.empty();
}

struct Stage {
  std::unique_ptr<Fleet> fleet;
  std::unique_ptr<client::Client> client;
  std::string truth_file;

  // Runs acknowledged within `length`.
  std::vector<int64_t> LoadFor(absl::Duration length) const {
    Load load(fleet->NewClient(absl::Seconds(30)), kPace);
    absl::SleepFor(length);
    load.Stop();
    return load.acknowledged();
  }
};

absl::StatusOr<bool> Restore(Stage& stage) {
  pgserver::PrivateServer& postgres = stage.fleet->postgres();
  const std::string data = postgres.placement().data_dir.string();
  const std::string incarnation = stage.fleet->Query("select incarnation from penstock.settings");
  const std::vector<int64_t> before = stage.LoadFor(absl::Seconds(4));
  PENSTOCK_RETURN_IF_ERROR(WaitForEnd(*stage.client, kBound).status());
  PENSTOCK_RETURN_IF_ERROR(postgres.Stop(pgserver::StopMode::kFast, absl::Seconds(20)));
  PENSTOCK_RETURN_IF_ERROR(Copy(data, data + ".old"));
  PENSTOCK_RETURN_IF_ERROR(postgres.Restart());
  // What is acknowledged now will be lost with the database's later state, and runs meanwhile.
  const std::vector<int64_t> lost = stage.LoadFor(absl::Seconds(4));
  PENSTOCK_RETURN_IF_ERROR(postgres.Stop(pgserver::StopMode::kImmediate, absl::Seconds(20)));
  std::filesystem::remove_all(data);
  std::filesystem::rename(data + ".old", data);
  PENSTOCK_RETURN_IF_ERROR(postgres.Restart());
  const std::vector<int64_t> after = stage.LoadFor(absl::Seconds(6));
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, WaitForEnd(*stage.client, kBound));

  std::vector<int64_t> kept = before;
  kept.insert(kept.end(), after.begin(), after.end());
  const Truth truth = ReadTruth(stage.truth_file);
  Verdict verdict = Judge(truth, kept, WorkloadRules());
  CompareWithTruth(*stage.client, kept, truth, &verdict.violations);
  for (const int64_t run : lost) {
    if (std::find(after.begin(), after.end(), run) != after.end()) {
      verdict.violations.push_back(fmt::format("run id {} was given out twice", run));
    }
  }
  const std::string now = stage.fleet->Query("select incarnation from penstock.settings");
  if (now == incarnation) verdict.violations.emplace_back("the incarnation is the old one");
  std::printf("runs kept %zu + %zu, lost with the old state %zu; ended %.1f s later\n",
              before.size(), after.size(), lost.size(), absl::ToDoubleSeconds(recovery));
  return Tell(verdict.violations);
}

absl::StatusOr<bool> AllSchedulers(Stage& stage) {
  const std::vector<int64_t> first = stage.LoadFor(absl::Seconds(3));
  for (Node& node : stage.fleet->schedulers()) node.Kill();
  absl::SleepFor(absl::Seconds(1));
  PENSTOCK_RETURN_IF_ERROR(stage.fleet->Heal());
  const std::vector<int64_t> second = stage.LoadFor(absl::Seconds(3));
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, WaitForEnd(*stage.client, kBound));
  std::vector<int64_t> runs = first;
  runs.insert(runs.end(), second.begin(), second.end());
  const Truth truth = ReadTruth(stage.truth_file);
  Verdict verdict = Judge(truth, runs, WorkloadRules());
  CompareWithTruth(*stage.client, runs, truth, &verdict.violations);
  if (verdict.repeated != 0) {
    verdict.violations.push_back(fmt::format("{} attempts did not go on", verdict.repeated));
  }
  std::printf("runs %zu, attempts repeated %lld, longest gap %.1f s, ended %.1f s later\n",
              runs.size(), static_cast<long long>(verdict.repeated), verdict.longest_gap,
              absl::ToDoubleSeconds(recovery));
  return Tell(verdict.violations);
}

using Story = std::function<absl::StatusOr<bool>(Stage&)>;

absl::StatusOr<bool> Play(const Story& story, const std::string& dir, const std::string& bin) {
  Stage stage;
  stage.truth_file = dir + "/truth";
  std::ofstream(stage.truth_file).close();
  FleetOptions options;
  options.bin_dir = bin;
  options.data_dir = dir;
  PENSTOCK_ASSIGN_OR_RETURN(stage.fleet, Fleet::Start(options));
  stage.client = stage.fleet->NewClient(absl::Seconds(60));
  PENSTOCK_RETURN_IF_ERROR(PrepareWorkload(*stage.client, stage.truth_file));
  return story(stage);
}

int Main(const std::vector<std::string>& names) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const std::map<std::string, Story> stories = {{"restore", Restore},
                                                {"all-schedulers", AllSchedulers}};
  const auto self = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  int failures = 0;
  for (const std::string& name : names) {
    const auto story = stories.find(name);
    if (story == stories.end()) {
      std::fprintf(stderr, "no story %s\n", name.c_str());
      return 2;
    }
    testing::TempDir dir("story");
    const auto good = Play(story->second, dir.path(), (self.parent_path() / "bin").string());
    if (!good.ok()) std::printf("FAILED %s\n", good.status().ToString().c_str());
    const bool passed = good.value_or(false);
    std::printf("%s %s\n", passed ? "PASS" : "FAIL", name.c_str());
    if (passed) continue;
    ++failures;
    dir.Keep();
    std::printf("kept: %s\n", dir.path().c_str());
  }
  return failures;
}

}  // namespace
}  // namespace penstock::chaos

int main(int argc, char** argv) {
  return penstock::chaos::Main(std::vector<std::string>(argv + 1, argv + argc));
}
