#pragma once
// A clock that stands still until a test moves it.
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace penstock::testing {

// Thread-safe. Starts at steady second 1,000 and wall time 2024-01-01 00:00 UTC.
class FakeClock : public Clock {
 public:
  SteadyTime Steady() const override {
    MutexLock lock(&mu_);
    return steady_;
  }
  absl::Time Wall() const override {
    MutexLock lock(&mu_);
    return wall_;
  }
  // Moves both clocks forward.
  void Advance(absl::Duration by) {
    MutexLock lock(&mu_);
    steady_ = steady_ + by;
    wall_ += by;
  }
  // Sets the wall clock alone, as an operator or NTP does: forward or back.
  void JumpWall(absl::Time to) {
    MutexLock lock(&mu_);
    wall_ = to;
  }

 private:
  mutable Mutex mu_;
  SteadyTime steady_ ABSL_GUARDED_BY(mu_) = SteadyTime::FromMicros(1'000'000'000);
  absl::Time wall_ ABSL_GUARDED_BY(mu_) = absl::FromUnixSeconds(1'704'067'200);
};

}  // namespace penstock::testing
