#pragma once
// From what the guardian saw of an attempt's end to what its owner is told. Pure.
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "worker/core/cause.h"
#include "worker/core/result.h"
#include "worker/guard/wire.h"

namespace penstock::worker::exec {

// What the judge needs to know of the attempt.
struct AttemptFacts {
  int32_t skip_exit_code = 0;  // 0 = none
  absl::Duration timeout;
  int64_t memory_bytes = 0;
  Cause kill_cause = Cause::kCancelled;  // why a kill was requested, if it was
};

// Outcome, cause, exit code, signal, peak memory, CPU time and the sentence for people. `output` is
// looked at only if the attempt would succeed. Times are left to the caller.
Report Judge(const guard::Ended& ended, const AttemptFacts& facts,
             const absl::StatusOr<std::string>& output);

// The report of an attempt whose program never ran, or whose guardian died.
Report FailedReport(Cause cause, std::string error);

// "SIGKILL", or "signal 35" for those without a name.
std::string SignalName(int signal);

}  // namespace penstock::worker::exec
