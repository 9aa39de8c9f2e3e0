#pragma once
// The scheduler process: wiring, and the order of start and stop.
#include "scheduler/app/config.h"

namespace penstock::app {

// Runs until SIGTERM or SIGINT and an orderly end, or until it cannot go on. Call it with the
// shutdown signals blocked (service::BlockShutdownSignals) and before any thread exists. Returns
// the process' exit code: 0 after a clean end.
int RunScheduler(const Config& config);

}  // namespace penstock::app
