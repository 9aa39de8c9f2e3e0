// Workers that nobody can reach, a machine that is gone with all that ran on it or sleeps, and one
// whose tasks take all of its processors.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/process/process_tree.h"
#include "fmt/format.h"
#include "tests/chaos/stage.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kSessionTerm = absl::Seconds(6);  // FleetOptions' default
constexpr absl::Duration kMargin = absl::Seconds(1);       // and what a kill may take

double WallSeconds() { return absl::ToDoubleSeconds(RealClock().Wall() - absl::UnixEpoch()); }

// How long after `cut` those attempts were last seen that were running then and were followed by
// others; 0 = none was.
double LastSignOfLife(const Truth& truth, double cut, double until) {
  std::map<std::pair<int64_t, std::string>, int32_t> newest;
  for (const Execution& e : truth.executions) {
    int32_t& attempt = newest[{e.run, e.task}];
    attempt = std::max(attempt, e.attempt);
  }
  double last = 0;
  for (const Execution& e : truth.executions) {
    if (e.first >= cut || e.attempt == newest[{e.run, e.task}]) continue;
    last = std::max(last, std::min(e.last, until) - cut);
  }
  return last;
}

// When, after `from`, the first attempt started that repeats another one; 0 = never.
double FirstRepeat(const Truth& truth, double from) {
  double first = 0;
  for (const Execution& e : truth.executions) {
    const double after = e.first - from;
    if (e.attempt > 1 && after > 0 && (first == 0 || after < first)) first = after;
  }
  return first;
}

absl::StatusOr<bool> Judged(const Stage& stage, const std::vector<int64_t>& runs,
                            std::vector<std::string> violations) {
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  Verdict verdict = stage.JudgeRuns(runs);
  verdict.violations.insert(verdict.violations.end(), violations.begin(), violations.end());
  if (verdict.repeated == 0) verdict.violations.emplace_back("nothing was lost: no test");
  return Tell(verdict.violations);
}

// What runs below a worker: its guardian and runners, or its attempts.
std::vector<pid_t> Below(const Node& worker, bool guards) {
  std::vector<pid_t> found;
  for (const process::ProcessStat& p :
       process::Descendants(worker.pid(), {}, process::ListProcesses())) {
    std::error_code gone;
    const auto program =
        std::filesystem::read_symlink(fmt::format("/proc/{}/exe", p.pid), gone).filename();
    if (program.string().starts_with("penstock-") == guards) found.push_back(p.pid);
  }
  return found;
}

void SignalAll(const std::vector<pid_t>& pids, int signal) {
  for (const pid_t pid : pids) kill(pid, signal);
}

}  // namespace

absl::StatusOr<bool> CutWorkers(Stage& stage, Way way) {
  return CutOff(stage, [way](Fleet& fleet) { return fleet.CutWorkers(way); });
}

absl::StatusOr<bool> CutOff(Stage& stage, const std::function<absl::Status(Fleet&)>& cut) {
  const std::vector<int64_t> runs = stage.LoadFor(absl::Seconds(2));
  const double begin = WallSeconds();
  PENSTOCK_RETURN_IF_ERROR(cut(*stage.fleet));
  absl::SleepFor(2 * kSessionTerm);
  const double healed = WallSeconds();
  PENSTOCK_RETURN_IF_ERROR(stage.fleet->Heal());
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  const Truth truth = ReadTruth(stage.truth_file);
  const double life = LastSignOfLife(truth, begin, healed);
  std::printf("last sign of life %.1f s after the cut, first repetition %.1f s after it\n", life,
              FirstRepeat(truth, begin));
  std::vector<std::string> violations;
  if (life > absl::ToDoubleSeconds(kSessionTerm + kMargin)) {
    violations.push_back(fmt::format("an attempt lived for {:.1f} s without a lease", life));
  }
  return Judged(stage, runs, std::move(violations));
}

absl::StatusOr<bool> LoseNode(Stage& stage) {
  const std::vector<int64_t> runs = stage.LoadFor(absl::Seconds(2));
  Node& worker = stage.fleet->workers()[0];
  const double lost = WallSeconds();
  // The guardian as well: there is nobody left to report anything.
  worker.Signal(SIGSTOP);
  process::StrikeDescendants(worker.pid());
  worker.Kill();
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  const double repeat = FirstRepeat(ReadTruth(stage.truth_file), lost);
  std::printf("its tasks run elsewhere from %.1f s after its end\n", repeat);
  std::vector<std::string> violations;
  const absl::Duration bound = kSessionTerm + kMargin + kMargin;
  if (repeat > absl::ToDoubleSeconds(bound)) violations.emplace_back("later than lease and margin");
  return Judged(stage, runs, std::move(violations));
}

// Everything on a worker's machine stands still, as while it sleeps, for longer than the lease.
// Then the guards wake up a moment before the attempts: which of them comes first is the kernel's
// choice otherwise, and an attempt that does would go on for that moment.
absl::StatusOr<bool> Suspend(Stage& stage) {
  const std::vector<int64_t> runs = stage.LoadFor(absl::Seconds(2));
  Node& worker = stage.fleet->workers()[0];
  worker.Signal(SIGSTOP);
  const std::vector<pid_t> guards = Below(worker, true);
  SignalAll(guards, SIGSTOP);
  const std::vector<pid_t> attempts = Below(worker, false);
  SignalAll(attempts, SIGSTOP);
  const double slept = WallSeconds();
  absl::SleepFor(2 * kSessionTerm);
  const double woke = WallSeconds();
  SignalAll(guards, SIGCONT);
  absl::SleepFor(absl::Milliseconds(100));
  SignalAll(attempts, SIGCONT);
  worker.Signal(SIGCONT);
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  const Truth truth = ReadTruth(stage.truth_file);
  const auto late = std::count_if(
      truth.executions.begin(), truth.executions.end(),
      [&](const Execution& e) { return e.first < slept && e.last > woke && e.attempt == 1; });
  std::printf("%zu processes of attempts slept; repeated elsewhere from %.1f s after\n",
              attempts.size(), FirstRepeat(truth, slept));
  std::vector<std::string> violations;
  if (attempts.empty()) violations.emplace_back("no attempt slept: no test");
  if (late > 0) violations.push_back(fmt::format("{} attempts went on after the sleep", late));
  return Judged(stage, runs, std::move(violations));
}

// Tasks that compute without a pause, four for each processor: renewals must still be in time.
absl::StatusOr<bool> BusyTasks(Stage& stage) {
  const int64_t tasks = 4 * sysconf(_SC_NPROCESSORS_ONLN);
  v1::ApplyDagRequest dag;
  dag.set_namespace_("default");
  std::string yaml = "dag: busy\ntasks:\n";
  for (int64_t i = 0; i < tasks; ++i) {
    yaml += fmt::format("  t{}: {{sh: \"timeout 20 sh -c 'while :; do :; done' || true\"}}\n", i);
  }
  dag.set_yaml(yaml);
  PENSTOCK_RETURN_IF_ERROR(stage.client->ApplyDag(dag).status());
  v1::CreateRunRequest create;
  create.set_namespace_("default");
  create.set_dag("busy");
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Run run, stage.client->CreateRun(create));
  const std::vector<int64_t> runs = stage.LoadFor(absl::Seconds(15));
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  v1::ListTaskInstancesRequest list;
  list.set_namespace_("default");
  list.mutable_run()->set_id(run.id());
  list.set_page_size(1000);
  PENSTOCK_ASSIGN_OR_RETURN(const auto instances, stage.client->ListTaskInstances(list));
  Verdict verdict = stage.JudgeRuns(runs);
  for (const v1::TaskInstance& instance : instances.instances()) {
    if (instance.state() == v1::TASK_STATE_SUCCESS && instance.attempt() == 1) continue;
    verdict.violations.push_back(fmt::format("{}: {}, attempt {}", instance.task(),
                                             v1::TaskState_Name(instance.state()),
                                             instance.attempt()));
  }
  if (verdict.repeated != 0) {
    verdict.violations.push_back(fmt::format("{} attempts were repeated", verdict.repeated));
  }
  std::printf("%lld busy tasks beside %zu runs of others; longest gap %.1f s\n",
              static_cast<long long>(tasks), runs.size(), verdict.longest_gap);
  return Tell(verdict.violations);
}

}  // namespace penstock::chaos
