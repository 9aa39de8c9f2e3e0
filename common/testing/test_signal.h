#pragma once
// Named events that code under test announces and tests wait for, so that no test sleeps.
#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace penstock::testing {

// Thread-safe. Waiting uses real time, as a bound only: a test that passes never waits it out.
class TestSignal {
 public:
  void Announce(std::string_view name) {
    MutexLock lock(&mu_);
    ++counts_[std::string(name)];
    changed_.SignalAll();
  }
  int Count(std::string_view name) const {
    MutexLock lock(&mu_);
    return CountLocked(name);
  }
  // Waits until `name` has been announced `times` times since the beginning (not since the call).
  // False when `timeout` passed first.
  [[nodiscard]] bool WaitFor(std::string_view name, int times = 1,
                             absl::Duration timeout = absl::Seconds(20)) const {
    const SteadyTime deadline = RealClock().Steady() + timeout;
    MutexLock lock(&mu_);
    while (CountLocked(name) < times) {
      const absl::Duration left = deadline - RealClock().Steady();
      if (left <= absl::ZeroDuration()) return false;
      changed_.WaitWithTimeout(&mu_, left);
    }
    return true;
  }

 private:
  int CountLocked(std::string_view name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto it = counts_.find(name);
    return it == counts_.end() ? 0 : it->second;
  }

  mutable Mutex mu_;
  mutable CondVar changed_;
  std::map<std::string, int, std::less<>> counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::testing
