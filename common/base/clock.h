#pragma once
// Time. Leases and timeouts are judged on SteadyTime only; wall time (absl::Time) is for schedules
// and people. This is the only place that reads a clock; everything else is given one.
#include <cstdint>

#include "absl/time/time.h"

namespace penstock {

// A point on a steady clock, in microseconds from an arbitrary origin that differs from process to
// process: never stored, never sent. Default-constructed = the distant past.
class SteadyTime {
 public:
  constexpr SteadyTime() = default;
  static constexpr SteadyTime FromMicros(int64_t us) { return SteadyTime(us); }
  static constexpr SteadyTime Infinite() { return SteadyTime(INT64_MAX / 2); }
  constexpr int64_t micros() const { return us_; }
  friend constexpr auto operator<=>(SteadyTime, SteadyTime) = default;
  friend SteadyTime operator+(SteadyTime t, absl::Duration d) {
    return SteadyTime(t.us_ + absl::ToInt64Microseconds(d));
  }
  friend SteadyTime operator-(SteadyTime t, absl::Duration d) {
    return SteadyTime(t.us_ - absl::ToInt64Microseconds(d));
  }
  friend absl::Duration operator-(SteadyTime a, SteadyTime b) {
    return absl::Microseconds(a.us_ - b.us_);
  }

 private:
  constexpr explicit SteadyTime(int64_t us) : us_(us) {}
  int64_t us_ = INT64_MIN / 2;
};

// Both clocks read together; what pure code receives as `now`.
struct Now {
  SteadyTime steady;
  absl::Time wall;
};

// Source of time. Thread-safe. RealClock() lives for ever; tests use testing/fake_clock.h.
class Clock {
 public:
  virtual ~Clock() = default;
  // CLOCK_BOOTTIME: goes on through a suspend of the machine.
  virtual SteadyTime Steady() const = 0;
  virtual absl::Time Wall() const = 0;
  Now Read() const { return {Steady(), Wall()}; }
};

const Clock& RealClock();

}  // namespace penstock
