#pragma once
// The worker process: wiring, and the order of start and stop.
#include <string>

#include "worker/app/config.h"

namespace penstock::worker {

// Runs until SIGTERM or SIGINT and a drain, or until it cannot go on. Call it with the shutdown
// signals blocked (service::BlockShutdownSignals) and before any thread exists: the guardian is
// started first. Returns the process' exit code: 0 after a clean shutdown.
int RunWorker(const Config& config);

// Tells all schedulers that the sessions are dead. 0 if at least one has heard it.
int ReportDeaths(const Config& config);

}  // namespace penstock::worker
