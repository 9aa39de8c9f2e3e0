#pragma once
// When to ask again: questions begin an interval apart, one at a time. Pure.
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace penstock::engine {

// Not thread-safe.
class PollPace {
 public:
  explicit PollPace(absl::Duration interval) : interval_(interval) {}

  // Whether a question is due. If so it is under way from now on, until Answered().
  bool Begin(SteadyTime now) {
    if (now < Due()) return false;
    under_way_ = true;
    next_ = now + interval_;
    return true;
  }
  void Answered() { under_way_ = false; }
  // The next question is due at once, or as soon as the one under way is answered.
  void Hurry() { next_ = SteadyTime(); }
  // Infinite while one is under way, however late it is: only its answer changes anything.
  SteadyTime Due() const { return under_way_ ? SteadyTime::Infinite() : next_; }

 private:
  const absl::Duration interval_;
  SteadyTime next_;
  bool under_way_ = false;
};

}  // namespace penstock::engine
