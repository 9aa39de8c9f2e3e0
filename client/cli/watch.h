#pragma once
// Following a run until it ends: live on a terminal, plain lines elsewhere.
#include "absl/status/statusor.h"
#include "client/cli/session.h"
#include "penstock/v1/control.pb.h"

namespace penstock::client {

// Shows the run's progress. kSuccess or kRunFailed when the run has ended (then with the failing
// task's last log lines and what to type next); kInterrupted after Ctrl-C, which leaves the run
// alone. `-o jsonl` prints every progress message, `-o json` and `yaml` only the last.
absl::StatusOr<ExitCode> Watch(Session& session, const v1::RunRef& run);

}  // namespace penstock::client
