#pragma once
// Exponential back-off with full jitter for reconnecting loops (not for task retries:
// core/retry.h).
#include <algorithm>

#include "absl/time/time.h"
#include "common/base/random.h"

namespace penstock {

// Not thread-safe. Delays lie in [base/2, base) with base = initial * 2^n, at most max.
class Backoff {
 public:
  Backoff(absl::Duration initial, absl::Duration max, uint64_t seed)
      : initial_(initial), max_(max), next_(initial), random_(seed) {}
  absl::Duration Next() {
    const absl::Duration base = next_;
    next_ = std::min(next_ * 2, max_);
    return base / 2 + base / 2 * random_.Unit();
  }
  void Reset() { next_ = initial_; }

 private:
  const absl::Duration initial_;
  const absl::Duration max_;
  absl::Duration next_;
  SplitMix64 random_;
};

}  // namespace penstock
