#pragma once
// dag lint and dag apply: what is done with files on the user's disk.
#include "absl/status/statusor.h"
#include "client/cli/session.h"

namespace penstock::client {

// Checks all files named on the command line, their `files:` too, and prints every problem.
absl::StatusOr<ExitCode> LintDags(Session& session);

// The same check; then, only if all files passed it, sends them in order until one is refused.
absl::StatusOr<ExitCode> ApplyDags(Session& session);

}  // namespace penstock::client
