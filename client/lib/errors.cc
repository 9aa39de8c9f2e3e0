#include "client/lib/errors.h"

#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "common/base/status.h"

namespace penstock::client {
namespace {

constexpr char kRemoteUrl[] = "penstock.v1/remote";
constexpr char kProblemsUrl[] = "penstock.v1.ProblemList";

}  // namespace

absl::Status MarkRemote(absl::Status status) {
  if (!status.ok()) status.SetPayload(kRemoteUrl, absl::Cord("1"));
  return status;
}

bool IsRemote(const absl::Status& status) { return status.GetPayload(kRemoteUrl).has_value(); }

void AttachProblems(absl::Status* status, const v1::ProblemList& problems) {
  status->SetPayload(kProblemsUrl, absl::Cord(problems.SerializeAsString()));
}

std::vector<v1::Problem> ProblemsOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kProblemsUrl);
  v1::ProblemList list;
  if (!payload || !list.ParseFromString(std::string(*payload))) return {};
  return {list.problems().begin(), list.problems().end()};
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kSuccess;
  if (!IsRemote(status)) return ExitCode::kUsage;
  const bool unreachable = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return unreachable ? ExitCode::kUnreachable : ExitCode::kRefused;
}

absl::Status UsageError(std::string_view text) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, text);
}

}  // namespace penstock::client
