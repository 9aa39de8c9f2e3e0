#pragma once
// The clock of leases where absl and base/clock.h are too much.
#include <cstdint>
#include <ctime>

namespace penstock::worker::guard {

// Microseconds on CLOCK_BOOTTIME, as SteadyTime::micros() of the real clock.
inline int64_t BootMicros() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace penstock::worker::guard
