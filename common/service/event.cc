#include "common/service/event.h"

#include <algorithm>

#include "common/base/clock.h"

namespace penstock::service {
namespace {
constexpr absl::Duration kLongestWait = absl::Hours(24 * 365);  // keeps deadlines in range
}

void Event::Set() {
  MutexLock lock(&mu_);
  set_ = true;
  changed_.SignalAll();
}

bool Event::IsSet() const {
  MutexLock lock(&mu_);
  return set_;
}

void Event::Wait() const {
  MutexLock lock(&mu_);
  while (!set_) changed_.Wait(&mu_);
}

bool Event::WaitFor(absl::Duration timeout) const {
  const SteadyTime deadline = RealClock().Steady() + std::min(timeout, kLongestWait);
  MutexLock lock(&mu_);
  while (!set_) {
    const absl::Duration left = deadline - RealClock().Steady();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitWithTimeout(&mu_, left);
  }
  return true;
}

}  // namespace penstock::service
