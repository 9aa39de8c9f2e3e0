#pragma once
// Ends what a supervisor left behind that was killed.
#include "absl/status/statusor.h"
#include "client/standalone/layout.h"

namespace penstock::client {

// Ends the schedulers, workers and guardians that the state files name, never a process that got
// the same pid later. PostgreSQL is left alone: the next start adopts it. Returns how many still
// ran. Hold the instance lock. DEADLINE_EXCEEDED when one does not end.
absl::StatusOr<int> EndLeftovers(const Layout& layout);

}  // namespace penstock::client
