#pragma once
// Who runs attempts, as the agent sees it: exec::Engine in the worker, a fake in tests.
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "worker/core/attempt.h"
#include "worker/core/effects.h"
#include "worker/exec/launch_spec.h"

namespace penstock::worker {

// Thread-safe; no call blocks or calls back. Answers come through the agent's On... functions, for
// each launch at most one start and exactly one end.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual void Launch(exec::LaunchSpec spec) = 0;
  virtual void Kill(const KillOrder& order) = 0;
  // Later deadlines only.
  virtual void ExtendLease(DomainId domain, SteadyTime deadline) = 0;
  // Stops and resumes taking the attempt's output; a task that goes on writing then waits.
  virtual void PauseOutput(const AttemptKey& key, bool paused) = 0;
  // What is to be reported, and to whom, when this process dies. Writes a small file.
  virtual void SetLastWords(const std::vector<SessionId>& sessions,
                            const std::vector<std::string>& schedulers) = 0;
};

}  // namespace penstock::worker
