#pragma once
// How long a lease certainly holds.
#include <atomic>

#include "absl/time/time.h"
#include "common/base/clock.h"

namespace penstock::engine {

// Thread-safe. One for the scheduler itself and one for each domain: beats are shared, but a beat
// extends only the domains that it found to be ours still.
class LeaseClock {
 public:
  // A beat that was sent at `sent` succeeded: nobody waits out less than a term from then.
  void Beat(SteadyTime sent, absl::Duration domain_term) {
    until_us_.store((sent + domain_term).micros(), std::memory_order_release);
  }
  void End() { until_us_.store(SteadyTime().micros(), std::memory_order_release); }
  bool Holds(SteadyTime now) const { return now < until(); }
  // The distant past before the first beat and after End.
  SteadyTime until() const {
    return SteadyTime::FromMicros(until_us_.load(std::memory_order_acquire));
  }

 private:
  std::atomic<int64_t> until_us_{SteadyTime().micros()};
};

}  // namespace penstock::engine
