#pragma once
// What went wrong in the database, as far as callers have to tell it apart.
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace penstock::pg {

enum class ErrorKind {
  kNone,
  kNotConnected,  // nothing was sent
  kLost,          // the connection broke, or was given up, during the call: it may have worked
  kPassing,       // rolled back, for a reason that may be gone: serialization, locks, resources
  kStale,         // PS001: a row was not as expected
  kDeposed,       // PS002: somebody else owns the domain
  kRefused,       // a constraint or the data: the same call would be refused again
  kBug,           // anything else: missing rights or objects, a statement that is wrong
};

struct SqlError {
  ErrorKind kind = ErrorKind::kNone;
  std::string sqlstate;
  std::string text;  // one line

  bool ok() const { return kind == ErrorKind::kNone; }
};

// Judges an SQLSTATE that the server answered with.
ErrorKind KindOfSqlState(std::string_view sqlstate);

// The first line of a server's message without its severity.
std::string FirstLine(std::string_view text);

// OK for kNone. UNAVAILABLE: not connected, lost, passing; ABORTED: deposed;
// FAILED_PRECONDITION: stale; ALREADY_EXISTS: unique violation; INVALID_ARGUMENT: refused;
// INTERNAL: bug.
absl::Status ToStatus(const SqlError& error);

}  // namespace penstock::pg
