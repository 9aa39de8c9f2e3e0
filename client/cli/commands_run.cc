// run list, show, watch, cancel, retry.
#include <fmt/format.h>

#include "client/cli/commands.h"
#include "client/cli/paging.h"
#include "client/cli/progress.h"
#include "client/cli/refs.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "client/cli/watch.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

using Result = absl::StatusOr<ExitCode>;

constexpr char kRunStates[] = "queued|running|success|failed|cancelled";

Cell StateCell(v1::RunState state) { return {StateName(state), StyleOf(state)}; }

std::string ElapsedText(const v1::Run& run, absl::Time now) {
  return run.has_started_at() ? FormatElapsed(Elapsed(run, now)) : "";
}

Result List(Session& session) {
  v1::ListRunsRequest request;
  request.set_namespace_(session.name_space());
  if (!session.call().args.empty()) request.set_dag(session.call().args[0]);
  for (const std::string& state : session.call().All("state")) {
    request.add_states(ParseRunState(state));
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto runs,
      ReadPages<v1::Run>(
          session, request, [&](const auto& page) { return session.client().ListRuns(page); },
          [](const v1::ListRunsResponse& page) -> const auto& { return page.runs(); }));
  Table table({"ID", "DAG", "KEY", "STATE", "CREATED", ">TOOK", "REASON"});
  for (const v1::Run& run : runs) {
    table.Add({std::to_string(run.id()), run.dag(), run.key(), StateCell(run.state()),
               AgeText(run.created_at(), session.now()), ElapsedText(run, session.now()),
               run.reason()});
  }
  ShowList(session, runs, table);
  return ExitCode::kSuccess;
}

std::string TimeText(bool given, const google::protobuf::Timestamp& time) {
  return given ? FormatUtc(ToTime(time)) : "";
}

std::string Describe(const Session& session, const v1::Run& run) {
  Fields fields;
  fields.Add("run", std::to_string(run.id()));
  fields.Add("dag", fmt::format("{} (version {})", run.dag(), run.version_number()));
  fields.Add("namespace", run.namespace_());
  fields.Add("key", run.key());
  fields.Add("state", StateCell(run.state()));
  fields.Add("reason", run.reason());
  fields.Add("logical date", TimeText(run.has_logical_date(), run.logical_date()));
  fields.Add("created", TimeText(run.has_created_at(), run.created_at()));
  fields.Add("started", TimeText(run.has_started_at(), run.started_at()));
  fields.Add("finished", TimeText(run.has_finished_at(), run.finished_at()));
  fields.Add("took", ElapsedText(run, session.now()));
  fields.Add("params", run.params_json());
  fields.Add("note", run.note());
  return fields.Render(session.color());
}

Result Show(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, ForRun<v1::GetRunRequest>(session));
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Run run, session.client().GetRun(request));
  session.Show(run, [&] { return Describe(session, run); });
  return ExitCode::kSuccess;
}

Result WatchCommand(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, ForRun<v1::WatchRunRequest>(session));
  return Watch(session, request.run());
}

// What is common to commands that change a run: a sentence, or --watch.
Result Conclude(Session& session, const v1::Run& run, const google::protobuf::Message& message,
                std::string_view what) {
  const std::string sentence = Printable(fmt::format("Run {} of {} {}", run.id(), run.dag(), what));
  if (!session.call().Has("watch")) {
    session.Show(message, [&] { return sentence + "\n"; });
    return ExitCode::kSuccess;
  }
  session.Say(sentence);
  v1::RunRef ref;
  ref.set_id(run.id());
  return Watch(session, ref);
}

Result Cancel(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, ForRun<v1::CancelRunRequest>(session));
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Run run, session.client().CancelRun(request));
  return Conclude(session, run, run,
                  IsTerminal(run.state()) ? "is " + StateName(run.state()) : "is being cancelled");
}

Result Retry(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, ForRun<v1::RetryRunRequest>(session));
  PENSTOCK_ASSIGN_OR_RETURN(const auto response, session.client().RetryRun(request));
  return Conclude(session, response.run(), response, "goes on with what had failed");
}

}  // namespace

std::vector<CommandSpec> RunCommands() {
  return {
      {"run",
       "list",
       "list runs, newest first",
       "",
       {{"DAG", ValueKind::kDag, "only runs of this DAG", false}},
       {{"state", 's', ValueKind::kChoice, kRunStates, "only runs in this state", true},
        LimitFlag()},
       {"run list", "run list etl --state failed --limit 10"},
       List},
      {"run",
       "show",
       "show a run",
       "",
       {RunArg()},
       {},
       {"run show 42", "run show etl -o json"},
       Show},
      {"run",
       "watch",
       "follow a run until it ends",
       "On a terminal the progress is drawn in place, elsewhere it is printed line by line. "
       "Ctrl-C\n"
       "ends the watching, not the run. Exit code 0 if the run succeeds, 1 if not. -o jsonl "
       "prints\n"
       "each change, -o json and yaml the last state.",
       {RunArg()},
       {},
       {"run watch 42", "run watch etl"},
       WatchCommand},
      {"run",
       "cancel",
       "stop a run and what runs of it",
       "",
       {RunArg()},
       {WatchFlag()},
       {"run cancel 42"},
       Cancel},
      {"run",
       "retry",
       "run what failed, and what depends on it, again",
       "",
       {RunArg()},
       {WatchFlag()},
       {"run retry 42 --watch"},
       Retry},
  };
}

}  // namespace penstock::client
