#include "client/cli/apply.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/dag_file.h"
#include "client/cli/text.h"
#include "client/cli/yaml.h"
#include "client/lib/bundle.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

using Json = nlohmann::ordered_json;

BundleLimits LimitsOf(const Session& session) {
  BundleLimits limits;
  limits.max_bytes = session.call().Size("max-bundle").value_or(limits.max_bytes);
  return limits;
}

bool IsSound(const DagFile& file) { return file.parsed.problems.empty(); }

// Reads and checks every file. What is wrong with its `files:` is one more problem of the file.
absl::StatusOr<std::vector<DagFile>> ReadAll(Session& session) {
  std::vector<DagFile> files;
  for (const std::string& name : session.call().args) {
    PENSTOCK_ASSIGN_OR_RETURN(DagFile file, ReadDagFile(name, *session.env().in));
    if (file.parsed.dag) {
      const auto bundle = PackBundle(file.folder, file.parsed.dag->files, LimitsOf(session));
      if (!bundle.ok()) {
        file.parsed.problems.push_back({0, 0, "", std::string(Message(bundle.status())), ""});
      }
    }
    files.push_back(std::move(file));
  }
  return files;
}

// Prints the problems of all files; true if there are none.
bool PrintAll(Session& session, const std::vector<DagFile>& files) {
  bool sound = true;
  for (const DagFile& file : files) {
    PrintProblems(file.parsed.problems, file.name, session.err());
    sound = sound && IsSound(file);
  }
  return sound;
}

// {"file": ..., "problems": [{"line": ..., "column": ..., ...}]}
Json ToJson(const DagFile& file) {
  Json json = {{"file", file.name}, {"problems", Json::array()}};
  for (const dag::Problem& problem : file.parsed.problems) {
    json["problems"].push_back({{"line", problem.line},
                                {"column", problem.column},
                                {"path", problem.path},
                                {"message", problem.message},
                                {"suggestion", problem.suggestion}});
  }
  return json;
}

std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', true, Json::error_handler_t::replace) + "\n";
}

void PrintReport(Session& session, const std::vector<DagFile>& files) {
  Json all = Json::array();
  for (const DagFile& file : files) all.push_back(ToJson(file));
  if (session.format() == Format::kYaml) {
    session.out() << ToYaml(all);
  } else if (session.format() == Format::kJson) {
    session.out() << Dump(all, 1);
  } else {
    for (const Json& file : all) session.out() << Dump(file, -1);
  }
}

std::string Summary(const DagFile& file) {
  const dag::DagSpec& spec = *file.parsed.dag;
  return fmt::format("{}: DAG {} is fine ({})", file.name, spec.dag,
                     Count(static_cast<int64_t>(spec.tasks.size()), "task"));
}

void PrintSound(Session& session, const std::vector<DagFile>& files) {
  const bool effective = session.call().Has("effective");
  for (const DagFile& file : files) {
    if (!IsSound(file)) continue;
    if (effective && files.size() > 1) session.out() << "---\n";
    session.out() << PrintableLines(effective ? EffectiveYaml(*file.parsed.dag)
                                              : Summary(file) + "\n");
  }
}

std::string Describe(const v1::ApplyDagResponse& response, bool dry_run) {
  const v1::Dag& dag = response.dag();
  const std::string_view what = response.created()   ? "new"
                                : response.changed() ? "changed"
                                                     : "unchanged";
  return Printable(fmt::format("DAG {} {}: version {}, {}{}", dag.name(), what,
                               dag.version_number(), Count(dag.task_count(), "task"),
                               dry_run ? " (dry run: nothing was stored)" : ""));
}

// Problems that the scheduler found name the user's file as those found here do.
absl::Status ExplainRefusal(Session& session, const DagFile& file, const absl::Status& status) {
  const auto problems = FromProto(ProblemsOf(status));
  if (problems.empty()) return MarkRemote(Annotate(status, file.name));
  PrintProblems(problems, file.name, session.err());
  return MarkRemote(MakeStatus(
      status.code(), fmt::format("{}: the scheduler found {}", file.name,
                                 Count(static_cast<int64_t>(problems.size()), "problem"))));
}

absl::StatusOr<v1::ApplyDagResponse> Send(Session& session, const DagFile& file) {
  PENSTOCK_ASSIGN_OR_RETURN(const v1::Bundle bundle,
                            PackBundle(file.folder, file.parsed.dag->files, LimitsOf(session)));
  v1::ApplyDagRequest request;
  request.set_namespace_(session.name_space());
  request.set_yaml(file.text);
  request.set_dry_run(session.call().Has("dry-run"));
  if (!bundle.files().empty()) request.set_bundle(bundle.SerializeAsString());
  auto response = session.client().ApplyDag(request);
  if (!response.ok()) return ExplainRefusal(session, file, response.status());
  return response;
}

// One answer is printed as it is, several as a list.
void PrintResponses(Session& session, const std::vector<v1::ApplyDagResponse>& responses,
                    size_t files) {
  if (session.format() == Format::kTable) return;
  std::vector<const google::protobuf::Message*> messages;
  for (const auto& response : responses) messages.push_back(&response);
  if (files > 1) {
    session.out() << RenderList(messages, session.format());
  } else if (!messages.empty()) {
    session.out() << Render(*messages[0], session.format());
  }
}

}  // namespace

absl::StatusOr<ExitCode> LintDags(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto files, ReadAll(session));
  bool sound = true;
  for (const DagFile& file : files) sound = sound && IsSound(file);
  if (session.format() != Format::kTable && !session.call().Has("effective")) {
    PrintReport(session, files);
  } else {
    PrintAll(session, files);
    PrintSound(session, files);
  }
  return sound ? ExitCode::kSuccess : ExitCode::kUsage;
}

absl::StatusOr<ExitCode> ApplyDags(Session& session) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto files, ReadAll(session));
  if (!PrintAll(session, files)) return UsageError("nothing was applied");
  std::vector<v1::ApplyDagResponse> responses;
  absl::Status status;
  for (const DagFile& file : files) {
    auto response = Send(session, file);
    status = response.status();
    if (!status.ok()) break;
    session.Say(Describe(*response, session.call().Has("dry-run")));
    responses.push_back(*std::move(response));
  }
  PrintResponses(session, responses, files.size());
  if (!status.ok()) return status;
  return ExitCode::kSuccess;
}

}  // namespace penstock::client
