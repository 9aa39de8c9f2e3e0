#include "scheduler/api/inbox_command.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <string>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "scheduler/api/new_run.h"
#include "scheduler/api/services.h"
#include "scheduler/api/validate.h"

namespace penstock::api {
namespace {

template <typename Request>
absl::StatusOr<Request> Parse(const std::string& json) {
  Request request;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &request);
  if (status.ok()) return request;
  return MakeStatus(
      absl::StatusCode::kInvalidArgument,
      fmt::format("the payload is not this request as JSON: {}",
                  std::string_view(status.message().data(), status.message().size())));
}

}  // namespace

absl::StatusOr<core::CommandBody> InboxCommands::Decode(const store::InboxRow& row) {
  if (row.method == "CreateRun") return CreateRun(row.payload_json);
  if (row.method == "CancelRun") return CancelRun(row.payload_json);
  if (row.method == "SetDagPaused") return SetDagPaused(row.payload_json);
  return MakeStatus(absl::StatusCode::kUnimplemented,
                    fmt::format("{} cannot be asked for through the inbox", row.method));
}

absl::StatusOr<core::CommandBody> InboxCommands::CreateRun(const std::string& json) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, Parse<v1::CreateRunRequest>(json));
  Checker check;
  CheckNewRun(request, "", /*forwarded=*/false, &check);
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  PENSTOCK_ASSIGN_OR_RETURN(const auto ns, namespaces_.Find(NamespaceOf(request.namespace_())));
  PENSTOCK_ASSIGN_OR_RETURN(const auto dag, FindDag(catalog_, ns.id, request.dag()));
  PENSTOCK_ASSIGN_OR_RETURN(auto prepared, PrepareRuns(catalog_, versions_, {{dag, &request}},
                                                       /*repeated=*/true, clock_.Steady()));
  PreparedRun& run = prepared.front();
  if (run.existing.has_value()) {
    return absl::AlreadyExistsError("the run with this idempotency key exists");
  }
  core::CreateRuns command;
  command.runs.push_back(std::move(run.run));
  return core::CommandBody(std::move(command));
}

absl::StatusOr<core::CommandBody> InboxCommands::CancelRun(const std::string& json) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, Parse<v1::CancelRunRequest>(json));
  Checker check;
  check.Run(request.run());
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  PENSTOCK_ASSIGN_OR_RETURN(const auto ns, namespaces_.Find(NamespaceOf(request.namespace_())));
  PENSTOCK_ASSIGN_OR_RETURN(const auto run, FindRun(catalog_, ns, request.run()));
  return core::CommandBody(core::CancelRun{run.row.id});
}

absl::StatusOr<core::CommandBody> InboxCommands::SetDagPaused(const std::string& json) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto request, Parse<v1::SetDagPausedRequest>(json));
  Checker check;
  check.Name("name", request.name());
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  PENSTOCK_ASSIGN_OR_RETURN(const auto ns, namespaces_.Find(NamespaceOf(request.namespace_())));
  PENSTOCK_ASSIGN_OR_RETURN(const auto dag, FindDag(catalog_, ns.id, request.name()));
  return core::CommandBody(core::SetDagPaused{dag.row.id, request.paused()});
}

}  // namespace penstock::api
