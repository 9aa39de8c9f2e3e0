#include "common/rpc/lock_checks.h"

#include "absl/synchronization/mutex.h"

namespace penstock::rpc {

void StopLockOrderChecks() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

}  // namespace penstock::rpc
