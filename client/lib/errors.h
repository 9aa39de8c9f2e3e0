#pragma once
// Errors of a client: where they come from decides what a program does about them.
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "penstock/v1/control.pb.h"

namespace penstock::client {

// What a `penstock` process exits with.
enum class ExitCode : int {
  kSuccess = 0,
  kRunFailed = 1,    // what was watched has failed or was cancelled
  kUsage = 2,        // the command line, a local file or the local machine is at fault
  kUnreachable = 3,  // no scheduler answered in time
  kRefused = 4,      // a scheduler answered, and the answer was no
  kInterrupted = 130,
};

// Marks `status` as the cluster's word: an answer, or the lack of one. OK stays OK.
absl::Status MarkRemote(absl::Status status);
bool IsRemote(const absl::Status& status);

// Attaches the problems of a DAG file that a scheduler reported, and reads them back.
void AttachProblems(absl::Status* status, const v1::ProblemList& problems);
std::vector<v1::Problem> ProblemsOf(const absl::Status& status);

// kSuccess for OK; kUsage for everything that is not remote.
ExitCode ExitCodeOf(const absl::Status& status);

// A local error: `text` says what is wrong and, where it can, what to do.
absl::Status UsageError(std::string_view text);

}  // namespace penstock::client
