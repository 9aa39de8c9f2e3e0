// task list, show, logs, explain.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/log_printer.h"
#include "client/cli/paging.h"
#include "client/cli/progress.h"
#include "client/cli/refs.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

using Result = absl::StatusOr<ExitCode>;

constexpr char kTaskStates[] =
    "waiting|ready|leased|running|success|failed|skipped|upstream_failed|up_for_retry|deferred|"
    "cancelled|removed";

Cell StateCell(v1::TaskState state) { return {StateName(state), StyleOf(state)}; }

std::string Name(const v1::TaskInstance& task) {
  return ToString(TaskRef{task.task(), task.map_index()});
}

// An instance or an attempt: both have the same times.
template <typename Timed>
std::string Took(const Timed& timed, absl::Time now) {
  if (!timed.has_started_at()) return "";
  const absl::Time end = timed.has_finished_at() ? ToTime(timed.finished_at()) : now;
  return FormatElapsed(end - ToTime(timed.started_at()));
}

// The cause of an end as exactly as it is known: "exit code 2", "signal 9", "timeout".
template <typename Ended>
std::string Why(const Ended& ended) {
  switch (ended.cause()) {
    case v1::CAUSE_NONE:
      return "";
    case v1::CAUSE_EXIT_CODE:
      return fmt::format("exit code {}", ended.exit_code());
    case v1::CAUSE_SIGNAL:
      return fmt::format("signal {}", ended.signal());
    default: {
      std::string words = CauseName(ended.cause());
      std::replace(words.begin(), words.end(), '_', ' ');
      return words;
    }
  }
}

// An instance or an attempt. The error of an exit code or a signal says the same again.
template <typename Ended>
std::string Remark(const Ended& ended) {
  std::string why = Why(ended);
  const bool said = ended.cause() == v1::CAUSE_EXIT_CODE || ended.cause() == v1::CAUSE_SIGNAL;
  if (ended.error().empty() || said) return why;
  return why.empty() ? ended.error() : why + ": " + ended.error();
}

template <typename Request>
absl::StatusOr<Request> ForTask(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const TaskRef ref, ParseTaskRef(session.call().args[1]));
  PENSTOCK_ASSIGN_OR_RETURN(Request request, ForRun<Request>(session));
  request.set_task(ref.task);
  request.set_map_index(ref.map_index);
  return request;
}

Result List(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(auto request, ForRun<v1::ListTaskInstancesRequest>(session));
  for (const std::string& state : session.call().All("state")) {
    request.add_states(ParseTaskState(state));
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto tasks,
      ReadPages<v1::TaskInstance>(
          session, request,
          [&](const auto& page) { return session.client().ListTaskInstances(page); },
          [](const v1::ListTaskInstancesResponse& page) -> const auto& {
            return page.instances();
          }));
  Table table({"TASK", "STATE", ">ATTEMPTS", ">TOOK", "WORKER", "REMARK"});
  for (const v1::TaskInstance& task : tasks) {
    table.Add({Name(task), StateCell(task.state()), std::to_string(task.attempt()),
               Took(task, session.now()), task.worker(), Remark(task)});
  }
  ShowList(session, tasks, table);
  return ExitCode::kSuccess;
}

std::string DescribeEarlier(const Session& session, const v1::TaskInstance& task) {
  if (task.earlier().empty()) return "";
  Table table({">ATTEMPT", "STATE", ">TOOK", "WORKER", "COUNTED", "REMARK"});
  for (const v1::Attempt& attempt : task.earlier()) {
    table.Add({std::to_string(attempt.attempt()), StateCell(attempt.state()),
               Took(attempt, session.now()), attempt.worker(), attempt.charged() ? "yes" : "no",
               Remark(attempt)});
  }
  return "\nEarlier attempts:\n" + table.Render(session.color());
}

// How often it was given to a worker, and how much of its retries that has cost.
std::string Attempts(const v1::TaskInstance& task) {
  if (task.tries() == 0) return std::to_string(task.attempt());
  return fmt::format("{} ({} counted against its retries)", task.attempt(), task.tries());
}

std::string Describe(const Session& session, const v1::TaskInstance& task) {
  Fields fields;
  fields.Add("task", Name(task));
  fields.Add("run", std::to_string(task.run_id()));
  fields.Add("state", StateCell(task.state()));
  fields.Add("cause", Why(task));
  fields.Add("error", task.error());
  fields.Add("attempts", Attempts(task));
  fields.Add("worker", task.worker());
  if (task.has_started_at()) fields.Add("started", FormatUtc(ToTime(task.started_at())));
  if (task.has_finished_at()) fields.Add("finished", FormatUtc(ToTime(task.finished_at())));
  fields.Add("took", Took(task, session.now()));
  if (task.has_retry_at()) fields.Add("retry at", FormatUtc(ToTime(task.retry_at())));
  if (task.peak_rss_kib() > 0)
    fields.Add("peak memory", fmt::format("{} KiB", task.peak_rss_kib()));
  if (task.cpu_ms() > 0) {
    fields.Add("cpu time", FormatElapsed(absl::Milliseconds(task.cpu_ms())));
  }
  fields.Add("output", task.output_json());
  return fields.Render(session.color()) + DescribeEarlier(session, task);
}

Result Show(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, ForTask<v1::GetTaskInstanceRequest>(session));
  PENSTOCK_ASSIGN_OR_RETURN(const auto task, session.client().GetTaskInstance(request));
  session.Show(task, [&] { return Describe(session, task); });
  return ExitCode::kSuccess;
}

std::string DescribeExplanation(const Session& session, const v1::Explanation& explanation) {
  const v1::TaskInstance& task = explanation.instance();
  std::string text = Paint(Printable(Name(task)), Style::kBold, session.color()) +
                     fmt::format(" of run {}: ", task.run_id()) +
                     Paint(StateName(task.state()), StyleOf(task.state()), session.color()) + "\n";
  text +=
      fmt::format("  {} ({})\n", Printable(explanation.reason()), Printable(explanation.code()));
  if (!explanation.hint().empty()) text += fmt::format("  {}\n", Printable(explanation.hint()));
  return text;
}

Result Explain(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, ForTask<v1::ExplainTaskInstanceRequest>(session));
  PENSTOCK_ASSIGN_OR_RETURN(const auto found, session.client().ExplainTaskInstance(request));
  session.Show(found, [&] { return DescribeExplanation(session, found); });
  return ExitCode::kSuccess;
}

Result Logs(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(auto request, ForTask<v1::ReadLogsRequest>(session));
  request.set_attempt(static_cast<int32_t>(session.call().Number("attempt", 0)));
  request.set_tail_bytes(session.call().Size("tail").value_or(0));
  request.set_follow(session.call().Has("follow"));
  const InterruptGuard guard;
  LogPrinter printer(session);
  auto stream = session.client().ReadLogs(request);
  while (!session.env().interrupted()) {
    v1::LogRecord record;
    const StreamEvent event = stream->Next(absl::Milliseconds(100), &record);
    if (event == StreamEvent::kMessage) printer.Print(record);
    if (event == StreamEvent::kReconnecting) {
      session.Note(fmt::format("connection lost ({}), trying again ...", stream->reason()));
    }
    if (event == StreamEvent::kEnd) {
      printer.Finish();
      if (!stream->status().ok()) return stream->status();
      return ExitCode::kSuccess;
    }
  }
  printer.Finish();
  return ExitCode::kInterrupted;
}

}  // namespace

std::vector<CommandSpec> TaskCommands() {
  return {
      {"task",
       "list",
       "list the task instances of a run",
       "",
       {RunArg()},
       {{"state", 's', ValueKind::kChoice, kTaskStates, "only instances in this state", true},
        LimitFlag()},
       {"task list 42", "task list etl --state failed --state upstream_failed"},
       List},
      {"task",
       "show",
       "show a task instance with its output and earlier attempts",
       "",
       {RunArg(), TaskArg()},
       {},
       {"task show 42 load", "task show 42 'load[3]' -o yaml"},
       Show},
      {"task",
       "logs",
       "print what an attempt has written",
       "The task's stdout and stderr go to stdout, Penstock's own remarks to stderr. Where stdout "
       "is\n"
       "not a terminal the bytes are passed on as they are; on a terminal everything but line\n"
       "breaks, tabs and colours is written out. -o jsonl prints records with their times and\n"
       "streams (data in base64).",
       {RunArg(), TaskArg()},
       {{"follow", 'f', ValueKind::kNone, "", "go on until the attempt has ended"},
        {"attempt", 'a', ValueKind::kNumber, "N", "an earlier attempt (the latest)"},
        {"tail", 't', ValueKind::kSize, "SIZE", "only the end, whole lines (64k)"}},
       {"task logs 42 load -f", "task logs etl load --tail 4k"},
       Logs},
      {"task",
       "explain",
       "why a task instance is where it is",
       "",
       {RunArg(), TaskArg()},
       {},
       {"task explain 42 load"},
       Explain},
  };
}

}  // namespace penstock::client
