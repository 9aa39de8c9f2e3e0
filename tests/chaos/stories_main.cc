// penstock-story [--machines] NAME...: faults that need a script of their own, each on a fleet of
// its own. With --machines each of its parts is in a network namespace of its own (needs root).
//   restore         the database is put back to an older state under the schedulers' feet
//   all-schedulers  all schedulers are killed and started again: running tasks go on
//   cut-workers     all workers are cut off for twice their lease: both ways, or only what comes
//   cut-from-workers, cut-to-workers   from them, or goes to them
//   lose-node       a worker, its guardian and its tasks die at once: nobody reports it
//   suspend         all of these stand still for twice the lease, as while a machine sleeps
//   busy-tasks      four tasks for each processor that compute without a pause
//   failover        the primary of a synchronous pair is killed, the standby promoted; schedulers
//                   reach the one that is the primary under one address
//   failover-both-in-dsn   the same, with both servers in the schedulers' connection string
//   kill-in-commit  the schedulers' database sessions are ended while they wait in their COMMIT
//   disk-full       no room on PostgreSQL's disk for 6 s (needs root)
//   no-connections  others hold all of PostgreSQL's connections; then the role may have none
//   idle-transaction  somebody's transaction has read every table and stays open for 20 s
//   unplug-owner, unplug-database, unplug-worker   the machine's link is lost (always --machines)
//   lose-statements  what the owner and the database send each other is lost, without a word
//   failover-with-loss     an asynchronous standby that has missed seconds of commits is promoted
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
#include "tests/chaos/stage.h"

namespace penstock::chaos {
namespace {

absl::Status Copy(const std::string& from, const std::string& to) {
  process::ProcessSpec spec;
  spec.argv = {"cp", "-a", from, to};
  PENSTOCK_ASSIGN_OR_RETURN(const auto result, process::RunCommand(spec, absl::Minutes(1)));
  return result.ok() ? absl::OkStatus() : absl::InternalError(result.output);
}

absl::StatusOr<bool> Restore(Stage& stage) {
  pgserver::PrivateServer& postgres = stage.fleet->postgres();
  const std::string data = postgres.placement().data_dir.string();
  const std::string incarnation = stage.Incarnation();
  const std::vector<int64_t> before = stage.LoadFor(absl::Seconds(4));
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  PENSTOCK_RETURN_IF_ERROR(postgres.Stop(pgserver::StopMode::kFast, absl::Seconds(20)));
  PENSTOCK_RETURN_IF_ERROR(Copy(data, data + ".old"));
  PENSTOCK_RETURN_IF_ERROR(postgres.Restart());
  // What is acknowledged now will be lost with the database's later state, and runs meanwhile.
  const std::vector<int64_t> lost = stage.LoadFor(absl::Seconds(4));
  PENSTOCK_RETURN_IF_ERROR(postgres.Stop(pgserver::StopMode::kImmediate, absl::Seconds(20)));
  std::filesystem::remove_all(data);
  std::filesystem::rename(data + ".old", data);
  PENSTOCK_RETURN_IF_ERROR(postgres.Restart());
  const std::vector<int64_t> after = stage.LoadFor(absl::Seconds(15));
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, stage.AllEnd());
  const Verdict verdict = JudgeNewLife(stage, incarnation, before, lost, after);
  std::printf(
      "runs kept %zu + %zu, lost with the old state %zu; longest gap %.1f s, "
      "ended %.1f s after the load\n",
      before.size(), after.size(), lost.size(), verdict.longest_gap,
      absl::ToDoubleSeconds(recovery));
  return Tell(verdict.violations);
}

absl::StatusOr<bool> AllSchedulers(Stage& stage) {
  const std::vector<int64_t> first = stage.LoadFor(absl::Seconds(3));
  for (Node& node : stage.fleet->schedulers()) node.Kill();
  absl::SleepFor(absl::Seconds(1));
  PENSTOCK_RETURN_IF_ERROR(stage.fleet->Heal());
  const std::vector<int64_t> second = stage.LoadFor(absl::Seconds(3));
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, stage.AllEnd());
  std::vector<int64_t> runs = first;
  runs.insert(runs.end(), second.begin(), second.end());
  Verdict verdict = stage.JudgeRuns(runs);
  if (verdict.repeated != 0) {
    verdict.violations.push_back(fmt::format("{} attempts did not go on", verdict.repeated));
  }
  std::printf("runs %zu, attempts repeated %lld, longest gap %.1f s, ended %.1f s later\n",
              runs.size(), static_cast<long long>(verdict.repeated), verdict.longest_gap,
              absl::ToDoubleSeconds(recovery));
  return Tell(verdict.violations);
}

absl::StatusOr<bool> Play(const Story& story, const std::string& dir, const std::string& bin) {
  Stage stage;
  stage.truth_file = dir + "/truth";
  std::ofstream(stage.truth_file).close();
  FleetOptions options = story.fleet;
  options.bin_dir = bin;
  options.data_dir = dir;
  PENSTOCK_ASSIGN_OR_RETURN(stage.fleet, Fleet::Start(options));
  stage.client = stage.fleet->NewClient(absl::Seconds(60));
  PENSTOCK_RETURN_IF_ERROR(PrepareWorkload(*stage.client, stage.truth_file, {story.slow_tenths}));
  return story.play(stage);
}

std::map<std::string, Story> Stories() {
  FleetOptions machines;
  machines.machines = true;
  FleetOptions synchronous;
  synchronous.standby = StandbyKind::kSynchronous;
  FleetOptions both = synchronous;
  both.both_in_dsn = true;
  FleetOptions asynchronous;
  asynchronous.standby = StandbyKind::kAsynchronous;
  FleetOptions patient;  // with the terms that are the default
  patient.domain_term = "3s";
  patient.session_term = "15s";
  patient.outage = "10s";
  FleetOptions patient_machines = patient;
  patient_machines.machines = true;
  FleetOptions small = patient;
  small.postgres_mb = 256;
  FleetOptions crowded = patient;
  crowded.max_connections = 30;
  crowded.ordinary_role = true;
  return {
      {"restore", {Restore}},
      {"kill-in-commit", {KillInCommit, synchronous}},
      {"disk-full", {DiskFull, small, 30}},
      {"no-connections", {NoConnections, crowded, 30}},
      {"all-schedulers", {AllSchedulers}},
      {"cut-workers", {[](Stage& s) { return CutWorkers(s, Way::kBoth); }, {}, 150}},
      {"cut-from-workers", {[](Stage& s) { return CutWorkers(s, Way::kFromWorkers); }, {}, 150}},
      {"cut-to-workers", {[](Stage& s) { return CutWorkers(s, Way::kToWorkers); }, {}, 150}},
      {"unplug-owner", {UnplugOwner, machines, 30}},
      {"unplug-database", {UnplugDatabase, patient_machines, 30}},
      {"unplug-worker", {UnplugWorker, machines, 150}},
      {"lose-statements", {LoseOwnersStatements, machines, 30}},
      {"lose-node", {LoseNode, {}, 100}},
      {"suspend", {Suspend, {}, 100}},
      {"busy-tasks", {BusyTasks}},
      {"idle-transaction", {IdleTransaction}},
      {"failover", {FailOver, synchronous, 30}},
      {"failover-both-in-dsn", {FailOver, both, 30}},
      {"failover-with-loss", {FailOverWithLoss, asynchronous, 50}}};
}

// Whether the story passed or was left out.
bool Passes(const std::string& name, const Story& story, const std::string& bin) {
  testing::TempDir dir("story");
  const auto good = Play(story, dir.path(), bin);
  if (absl::IsPermissionDenied(good.status())) {
    std::printf("SKIP %s: %s\n", name.c_str(), std::string(good.status().message()).c_str());
    return true;
  }
  if (!good.ok()) std::printf("FAILED %s\n", good.status().ToString().c_str());
  const bool passed = good.value_or(false);
  std::printf("%s %s\n", passed ? "PASS" : "FAIL", name.c_str());
  if (!passed) {
    dir.Keep();
    std::printf("kept: %s\n", dir.path().c_str());
  }
  return passed;
}

int Main(std::vector<std::string> names) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  std::map<std::string, Story> stories = Stories();
  const bool all = std::erase(names, "--machines") > 0;
  bool machines = false;
  for (const std::string& name : names) {
    const auto story = stories.find(name);
    if (story == stories.end()) {
      std::fprintf(stderr, "no story %s\n", name.c_str());
      return 2;
    }
    story->second.fleet.machines |= all;
    machines |= story->second.fleet.machines;
  }
  const absl::Status isolated = machines ? Machines::Isolate() : absl::OkStatus();
  if (!isolated.ok() && !absl::IsPermissionDenied(isolated)) {
    std::printf("FAILED %s\n", isolated.ToString().c_str());
    return 1;
  }
  const auto self = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  int failures = 0;
  for (const std::string& name : names) {
    const Story& story = stories.at(name);
    if (story.fleet.machines && !isolated.ok()) {
      std::printf("SKIP %s: %s\n", name.c_str(), isolated.ToString().c_str());
    } else if (!Passes(name, story, (self.parent_path() / "bin").string())) {
      ++failures;
    }
  }
  return failures;
}

}  // namespace
}  // namespace penstock::chaos

int main(int argc, char** argv) {
  return penstock::chaos::Main(std::vector<std::string>(argv + 1, argv + argc));
}
