#pragma once
// How many attempts beyond its slots a worker takes, so that short ones do not wait for a round
// trip.
#include <array>
#include <cstdint>

#include "absl/time/time.h"
#include "common/base/clock.h"

namespace penstock::worker {

// While the mean attempt is shorter than the window (50 ms), the allowance is the number of
// attempts that ended within the last window, at most `max`: about one window of work lies ready,
// whatever the rate. Zero while attempts are long. Not thread-safe.
class Prefetch {
 public:
  static constexpr int64_t kWindowUs = 50'000;

  explicit Prefetch(int max) : max_(max) {}
  // `count` attempts ended that took `duration` each.
  void Ended(int count, absl::Duration duration, SteadyTime now);
  int Allowance(SteadyTime now);

 private:
  static constexpr int64_t kBuckets = 5;
  void MoveTo(SteadyTime now);

  const int max_;
  std::array<int64_t, kBuckets> ended_{};  // by tenths of a window, a ring
  int64_t bucket_ = 0;                     // number of the current tenth since the clock's origin
  double mean_us_ = 0;                     // moving average over about 16 attempts
};

}  // namespace penstock::worker
