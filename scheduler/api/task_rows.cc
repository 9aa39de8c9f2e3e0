#include "scheduler/api/task_rows.h"

#include <fmt/format.h>

#include <vector>

#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/dag/problems.h"
#include "scheduler/api/utf8.h"

namespace penstock::api {
namespace {

using core::Cause;
using core::Reason;
using core::TaskState;

std::string DescribeCause(const core::TaskRow& row) {
  switch (row.cause) {
    case Cause::kNone:
      return "";
    case Cause::kExitCode:
      return fmt::format("exit code {}", row.exit_code);
    case Cause::kSignal:
      return fmt::format("killed by signal {}", row.signal);
    case Cause::kTimeout:
      return "its execution timeout";
    case Cause::kOutOfMemory:
      return "out of memory";
    case Cause::kLeaseLost:
      return "its worker's lease ran out";
    case Cause::kWorkerLost:
      return "its worker was lost";
    case Cause::kCancelled:
      return "cancelled by a user";
    case Cause::kRunTimeout:
      return "the run's timeout";
    case Cause::kSpawnFailed:
      return "it could not be started";
    case Cause::kOutputInvalid:
      return "its output is not valid";
    case Cause::kExpression:
      return "one of its expressions could not be evaluated";
    case Cause::kHandedBack:
      return "the worker gave it back";
    case Cause::kSkipRequested:
      return fmt::format("it asked to, with exit code {}", row.exit_code);
  }
  return "";
}

// With what the worker had to say about it, as far as one line can hold it.
std::string WithCause(std::string sentence, const store::TaskRecord& task) {
  constexpr size_t kMostDetail = 500;
  std::string detail = task.error.substr(0, task.error.find('\n'));
  if (detail.size() > kMostDetail) {
    detail.resize(kMostDetail);
    detail = detail.substr(0, ValidUtf8Prefix(detail)) + "...";
  }
  const std::string cause = DescribeCause(task.row);
  // The error of an exit code or a signal says the same again.
  const bool said = task.row.cause == Cause::kExitCode || task.row.cause == Cause::kSignal ||
                    task.row.cause == Cause::kSkipRequested;
  if (!cause.empty()) sentence += ": " + cause;
  if (!detail.empty() && !said) sentence += ": " + detail;
  return sentence;
}

std::string OnAttempt(std::string_view what, const store::TaskRecord& task) {
  std::string sentence = fmt::format("{} on attempt {}", what, task.row.attempt);
  if (!task.worker.empty()) sentence += fmt::format(" (worker {})", task.worker);
  return WithCause(std::move(sentence), task);
}

core::Explanation Finished(const store::TaskRecord& task, Reason reason, std::string sentence,
                           std::string hint = "") {
  return {task.row.state, task.row.attempt, reason, std::move(sentence), std::move(hint)};
}

core::Explanation NeverReached(const store::TaskRecord& task, core::RunState run) {
  return Finished(
      task, Reason::kWaitingUpstream,
      fmt::format("did not run: the run ended ({}) before it could", core::ToString(run)));
}

// "its trigger rule is all_success; upstream load (failed), check (upstream_failed)"
std::string DescribeRule(const store::TaskRecord& task, const dag::Topology& topology,
                         const std::vector<store::TaskRecord>& decisive) {
  const auto index = static_cast<uint32_t>(task.row.key.task);
  std::string text =
      fmt::format("its trigger rule is {}", dag::ToString(topology.trigger_rule(index)));
  for (size_t i = 0; i < decisive.size(); ++i) {
    const core::TaskRow& up = decisive[i].row;
    text +=
        fmt::format("{}{} ({})", i == 0 ? "; upstream " : ", ",
                    topology.spec(static_cast<uint32_t>(up.key.task)).id, core::ToString(up.state));
  }
  return text;
}

}  // namespace

store::TaskRecord WaitingTask(const core::TaskKey& key) {
  store::TaskRecord task;
  task.row.key = key;
  return task;
}

store::TaskRecord Merge(const core::TaskKey& key, const std::optional<store::TaskRecord>& row,
                        const std::optional<core::TaskView>& view) {
  store::TaskRecord task = row.has_value() ? *row : WaitingTask(key);
  if (core::IsTerminal(task.row.state) || !view.has_value()) return task;
  if (view->attempt < task.row.attempt) return task;
  if (view->attempt > task.row.attempt) {
    const core::TaskRow old = task.row;
    task = WaitingTask(key);
    task.row.tries = old.tries;
    task.row.attempt = view->attempt;
  }
  task.row.state = view->state;
  return task;
}

std::string DescribeRetry(const store::TaskRecord& task) {
  return fmt::format(
      "{}; the next attempt may start at {}", OnAttempt("failed", task),
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixMicros(task.row.retry_at_us),
                       absl::UTCTimeZone()));
}

bool EndedByRule(const store::TaskRecord& task) {
  return task.row.cause == Cause::kNone &&
         (task.row.state == TaskState::kSkipped || task.row.state == TaskState::kUpstreamFailed);
}

bool Decides(dag::TriggerRule rule, core::TaskState ending, core::TaskState upstream) {
  const bool failed = upstream == TaskState::kFailed || upstream == TaskState::kUpstreamFailed;
  if (!core::IsTerminal(upstream)) return false;
  if (ending == TaskState::kUpstreamFailed) return failed;
  switch (rule) {
    case dag::TriggerRule::kAllFailed:
      return !failed;
    case dag::TriggerRule::kAllSkipped:
      return upstream != TaskState::kSkipped;
    case dag::TriggerRule::kOneFailed:
    case dag::TriggerRule::kOneDone:
      return true;  // all of them together
    case dag::TriggerRule::kAllSuccess:
    case dag::TriggerRule::kAllDone:
    case dag::TriggerRule::kAllDoneMinOneSuccess:
    case dag::TriggerRule::kOneSuccess:
    case dag::TriggerRule::kNoneFailed:
    case dag::TriggerRule::kNoneFailedMinOneSuccess:
    case dag::TriggerRule::kNoneSkipped:
    case dag::TriggerRule::kAlways:
      break;
  }
  return upstream == TaskState::kSkipped;
}

core::Explanation ExplainRow(const store::TaskRecord& task, core::RunState run,
                             const dag::Topology& topology,
                             const std::vector<store::TaskRecord>& decisive) {
  switch (task.row.state) {
    case TaskState::kSuccess:
      return Finished(
          task, Reason::kSuccess,
          task.row.attempt == 0 ? "succeeded without a worker" : OnAttempt("succeeded", task));
    case TaskState::kFailed:
      return Finished(task, Reason::kFailed, OnAttempt("failed", task),
                      "look at its logs; retry the run when the cause is gone");
    case TaskState::kSkipped:
      return Finished(task, Reason::kSkipped,
                      EndedByRule(task) ? "was skipped: " + DescribeRule(task, topology, decisive)
                                        : WithCause("was skipped", task));
    case TaskState::kUpstreamFailed:
      return Finished(task, Reason::kUpstreamFailed,
                      "did not run: " + DescribeRule(task, topology, decisive),
                      "retrying the run runs it again too");
    case TaskState::kCancelled:
      return Finished(task, Reason::kCancelled, WithCause("was cancelled", task));
    case TaskState::kRemoved:
      return Finished(task, Reason::kRemoved, "is not part of the run any more");
    case TaskState::kWaiting:
    case TaskState::kReady:
    case TaskState::kLeased:
    case TaskState::kRunning:
    case TaskState::kUpForRetry:
    case TaskState::kDeferred:
      break;
  }
  return NeverReached(task, run);
}

absl::StatusOr<int32_t> FindTask(const dag::Topology& topology, const std::string& id) {
  if (const auto index = topology.FindTask(id)) return static_cast<int32_t>(*index);
  std::vector<std::string_view> ids;
  constexpr uint32_t kMostCandidates = 2000;
  for (uint32_t i = 0; i < topology.task_count() && i < kMostCandidates; ++i) {
    ids.push_back(topology.spec(i).id);
  }
  const std::string_view guess = dag::Closest(id, ids);
  return MakeStatus(
      absl::StatusCode::kNotFound,
      guess.empty() ? fmt::format("the run has no task \"{}\"", id)
                    : fmt::format("the run has no task \"{}\"; did you mean \"{}\"?", id, guess));
}

}  // namespace penstock::api
