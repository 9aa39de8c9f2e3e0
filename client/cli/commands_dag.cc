// dag init, list, show, trigger, pause, resume, delete, schema; the table of all dag commands.
#include <fmt/format.h>

#include <utility>

#include "client/cli/apply.h"
#include "client/cli/commands.h"
#include "client/cli/dag_file.h"
#include "client/cli/files.h"
#include "client/cli/paging.h"
#include "client/cli/params.h"
#include "client/cli/refs.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "client/cli/watch.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/scalars.h"

namespace penstock::client {
namespace {

using Result = absl::StatusOr<ExitCode>;

Result Init(Session& session) {
  const std::string& name = session.call().args[0];
  if (!dag::IsId(name) || name.size() > dag::Limits().max_id_bytes) {
    return UsageError(
        fmt::format("\"{}\" is not a DAG name: a letter or _, then letters, digits and _ . -",
                    Printable(name)));
  }
  const std::string path = session.call().Text("file", name + ".yaml");
  PENSTOCK_RETURN_IF_ERROR(WriteNewFile(path, DagTemplate(name), session.call().Has("force")));
  session.Say(fmt::format("Wrote {}. Next:\n  {}\n  {}", path,
                          session.Suggest("apply " + ShellQuote(path)),
                          session.Suggest(fmt::format("trigger {} --watch", name))));
  return ExitCode::kSuccess;
}

Result List(Session& session) {
  v1::ListDagsRequest request;
  request.set_namespace_(session.name_space());
  if (!session.call().args.empty()) request.set_name_prefix(session.call().args[0]);
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto dags,
      ReadPages<v1::Dag>(
          session, request, [&](const auto& page) { return session.client().ListDags(page); },
          [](const v1::ListDagsResponse& page) -> const auto& { return page.dags(); }));
  Table table({"NAME", ">VERSION", ">TASKS", "STATE", "UPDATED", "DESCRIPTION"});
  for (const v1::Dag& dag : dags) {
    table.Add({dag.name(), std::to_string(dag.version_number()), std::to_string(dag.task_count()),
               dag.paused() ? Cell("paused", Style::kDim) : Cell("active"),
               AgeText(dag.updated_at(), session.now()), dag.description()});
  }
  ShowList(session, dags, table);
  return ExitCode::kSuccess;
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string DescribeDag(const Session& session, const v1::Dag& dag) {
  Fields fields;
  fields.Add("name", dag.name());
  fields.Add("namespace", dag.namespace_());
  fields.Add("description", dag.description());
  fields.Add("state", dag.paused() ? Cell("paused", Style::kBusy) : Cell("active"));
  fields.Add("version", fmt::format("{} (id {}, hash {})", dag.version_number(), dag.version_id(),
                                    dag.version_hash().substr(0, 12)));
  fields.Add("max active runs", std::to_string(dag.max_active_runs()));
  fields.Add("created", FormatUtc(ToTime(dag.created_at())));
  fields.Add("updated", FormatUtc(ToTime(dag.updated_at())));
  Table tasks({"TASK", "KIND", "NEEDS", "RULE", "QUEUE", "POOL", ">WEIGHT"});
  for (const v1::TaskInfo& task : dag.tasks()) {
    tasks.Add({task.id(), task.kind(), Join(task.needs()), task.trigger_rule(), task.queue(),
               task.pool(), std::to_string(task.effective_weight())});
  }
  return fields.Render(session.color()) + "\n" + tasks.Render(session.color());
}

absl::StatusOr<v1::Dag> GetDag(Session& session) {
  v1::GetDagRequest request;
  request.set_namespace_(session.name_space());
  request.set_name(session.call().args[0]);
  return session.client().GetDag(request);
}

Result ShowEffective(Session& session, const v1::Dag& dag) {
  const auto spec = dag::FromCanonicalJson(dag.canonical_json());
  if (!spec.ok()) {
    return Annotate(spec.status(), "this penstock does not understand the stored version");
  }
  const bool json = session.format() == Format::kJson || session.format() == Format::kJsonl;
  session.out() << (json ? EffectiveJson(*spec) : PrintableLines(EffectiveYaml(*spec)));
  return ExitCode::kSuccess;
}

Result Show(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Dag dag, GetDag(session));
  if (session.call().Has("effective")) return ShowEffective(session, dag);
  session.Show(dag, [&] { return DescribeDag(session, dag); });
  return ExitCode::kSuccess;
}

absl::StatusOr<v1::CreateRunRequest> ToRequest(Session& session) {
  const Invocation& call = session.call();
  v1::CreateRunRequest request;
  request.set_namespace_(session.name_space());
  request.set_dag(call.args[0]);
  request.set_run_key(call.Text("key"));
  request.set_note(call.Text("note"));
  request.set_idempotency_key(call.Text("idempotency-key"));
  PENSTOCK_ASSIGN_OR_RETURN(*request.mutable_params_json(),
                            BuildParams(call.Text("params"), call.All("param"), *session.env().in));
  if (const auto date = call.Find("logical-date")) {
    PENSTOCK_ASSIGN_OR_RETURN(const absl::Time time, ParseLogicalDate(*date));
    request.mutable_logical_date()->set_seconds(absl::ToUnixSeconds(time));
    request.mutable_logical_date()->set_nanos(static_cast<int32_t>(
        absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(absl::ToUnixSeconds(time)))));
  }
  return request;
}

Result Trigger(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const v1::CreateRunRequest request, ToRequest(session));
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Run run, session.client().CreateRun(request));
  const std::string sentence =
      fmt::format("Run {} of {} {} ({})", run.id(), run.dag(),
                  run.already_existed() ? "existed already" : "created", run.key());
  v1::RunRef ref;
  ref.set_id(run.id());
  if (session.call().Has("watch")) {
    session.Say(Printable(sentence));
    return Watch(session, ref);
  }
  session.Show(run, [&] {
    return Printable(sentence) +
           "\nWatch it: " + session.Suggest(fmt::format("run watch {}", run.id())) + "\n";
  });
  return ExitCode::kSuccess;
}

Result SetPaused(Session& session, bool paused) {
  v1::SetDagPausedRequest request;
  request.set_namespace_(session.name_space());
  request.set_name(session.call().args[0]);
  request.set_paused(paused);
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Dag dag, session.client().SetDagPaused(request));
  session.Show(dag, [&] {
    return Printable(
               fmt::format("DAG {} is {}", dag.name(),
                           paused ? "paused; what runs goes on, nothing new starts" : "active")) +
           "\n";
  });
  return ExitCode::kSuccess;
}

Result Pause(Session& session) { return SetPaused(session, true); }
Result Resume(Session& session) { return SetPaused(session, false); }

Result Delete(Session& session) {
  v1::DeleteDagRequest request;
  request.set_namespace_(session.name_space());
  request.set_name(session.call().args[0]);
  PENSTOCK_ASSIGN_OR_RETURN(const auto response, session.client().DeleteDag(request));
  session.Show(response, [&] { return fmt::format("DAG {} deleted\n", request.name()); });
  return ExitCode::kSuccess;
}

Result Schema(Session& session) {
  session.out() << (session.call().Has("markdown") ? dag::DescribeKeys()
                                                   : dag::JsonSchema() + "\n");
  return ExitCode::kSuccess;
}

ArgSpec FileArg() {
  return {"FILE", ValueKind::kFile, "DAG file; - reads standard input", true, true};
}

FlagSpec MaxBundleFlag() {
  return {"max-bundle", 0, ValueKind::kSize, "SIZE", "how large `files:` may be together (16Mi)"};
}

std::vector<FlagSpec> TriggerFlags() {
  return {{"param", 'p', ValueKind::kText, "NAME=VALUE",
           "a parameter; the value keeps its type if it is JSON, else it is a string", true},
          {"params", 0, ValueKind::kFile, "FILE|JSON", "all parameters as a JSON object"},
          {"key", 0, ValueKind::kText, "KEY", "a name of the run, unique in the DAG"},
          {"logical-date", 0, ValueKind::kText, "DATE", "2026-01-02 or 2026-01-02T03:04:05Z"},
          {"note", 0, ValueKind::kText, "TEXT", "for people"},
          {"idempotency-key", 0, ValueKind::kText, "KEY",
           "the same key gives the same run, however often it is sent"},
          WatchFlag()};
}

}  // namespace

std::vector<CommandSpec> DagCommands() {
  return {
      {"dag",
       "init",
       "write a small, commented DAG file to start from",
       "",
       {{"NAME", ValueKind::kText, "name of the new DAG"}},
       {{"file", 'f', ValueKind::kFile, "FILE", "where to (NAME.yaml)"},
        {"force", 0, ValueKind::kNone, "", "overwrite the file"}},
       {"dag init hello"},
       Init},
      {"dag",
       "lint",
       "check DAG files here, without a scheduler",
       "Prints every problem as FILE:LINE:COLUMN: MESSAGE. Exit code 2 if there is one.\n"
       "-o json lists the files with their problems.",
       {FileArg()},
       {{"effective", 0, ValueKind::kNone, "", "print what would run, defaults included"},
        MaxBundleFlag()},
       {"dag lint etl.yaml", "dag lint dags/*.yaml -o json"},
       LintDags},
      {"dag",
       "apply",
       "put DAG files into force",
       "The files are checked here first; all problems are printed at once. The same content as\n"
       "before is no new version. The files that `files:` names travel with the version.",
       {FileArg()},
       {{"dry-run", 0, ValueKind::kNone, "", "let the scheduler check, store nothing"},
        MaxBundleFlag()},
       {"apply etl.yaml", "dag apply dags/*.yaml --dry-run"},
       ApplyDags,
       true},
      {"dag",
       "list",
       "list DAGs",
       "",
       {{"PREFIX", ValueKind::kDag, "only names that begin with it", false}},
       {LimitFlag()},
       {"dag list", "dag list -o jsonl --limit 0"},
       List},
      {"dag",
       "show",
       "show a DAG and its tasks",
       "",
       {DagArg()},
       {{"effective", 0, ValueKind::kNone, "",
         "what will really run: a DAG file with all defaults spelled out"}},
       {"dag show etl", "dag show etl --effective"},
       Show},
      {"dag",
       "trigger",
       "create a run",
       "",
       {DagArg()},
       TriggerFlags(),
       {"trigger etl --watch", "trigger etl -p region=eu -p days=3",
        "trigger etl --params params.json --key 2026-01-02 --logical-date 2026-01-02"},
       Trigger,
       true},
      {"dag",
       "pause",
       "start nothing new of a DAG",
       "What runs already goes on.",
       {DagArg()},
       {},
       {"dag pause etl"},
       Pause},
      {"dag", "resume", "undo a pause", "", {DagArg()}, {}, {"dag resume etl"}, Resume},
      {"dag", "delete", "delete a DAG", "", {DagArg()}, {}, {"dag delete etl"}, Delete},
      {"dag",
       "schema",
       "print the JSON Schema of DAG files, for editors",
       "",
       {},
       {{"markdown", 0, ValueKind::kNone, "", "the keys as Markdown tables instead"}},
       {"dag schema > penstock.schema.json"},
       Schema},
  };
}

}  // namespace penstock::client
