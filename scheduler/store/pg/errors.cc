#include "scheduler/store/pg/errors.h"

#include "common/base/status.h"
#include "fmt/format.h"

namespace penstock::pg {
namespace {

constexpr std::string_view kUniqueViolation = "23505";

absl::StatusCode CodeOf(const SqlError& error) {
  switch (error.kind) {
    case ErrorKind::kNone:
      return absl::StatusCode::kOk;
    case ErrorKind::kNotConnected:
    case ErrorKind::kLost:
    case ErrorKind::kPassing:
      return absl::StatusCode::kUnavailable;
    case ErrorKind::kDeposed:
      return absl::StatusCode::kAborted;
    case ErrorKind::kStale:
      return absl::StatusCode::kFailedPrecondition;
    case ErrorKind::kRefused:
      return error.sqlstate == kUniqueViolation ? absl::StatusCode::kAlreadyExists
                                                : absl::StatusCode::kInvalidArgument;
    case ErrorKind::kBug:
      break;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

ErrorKind KindOfSqlState(std::string_view sqlstate) {
  if (sqlstate == "PS001") return ErrorKind::kStale;
  if (sqlstate == "PS002") return ErrorKind::kDeposed;
  const std::string_view group = sqlstate.substr(0, 2);
  if (group == "08" || sqlstate.substr(0, 4) == "57P0") return ErrorKind::kLost;
  // Rollbacks, resources, object not in the state needed (locks), operator's action, system; and
  // a server that became a standby.
  if (group == "40" || group == "53" || group == "55" || group == "57" || group == "58" ||
      sqlstate == "25006") {
    return ErrorKind::kPassing;
  }
  // Data, constraints, the same row twice, limits of the program.
  if (group == "22" || group == "23" || group == "21" || group == "54") return ErrorKind::kRefused;
  return ErrorKind::kBug;
}

std::string FirstLine(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  const size_t colon = line.find(": ");
  if (colon < 12) line.remove_prefix(colon + 2);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return std::string(line);
}

absl::Status ToStatus(const SqlError& error) {
  if (error.ok()) return absl::OkStatus();
  const std::string text = error.sqlstate.empty()
                               ? error.text
                               : fmt::format("{} (SQLSTATE {})", error.text, error.sqlstate);
  return MakeStatus(CodeOf(error), text);
}

}  // namespace penstock::pg
