#include "common/base/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace penstock {
namespace {

class SystemClock : public Clock {
 public:
  SteadyTime Steady() const override {
    timespec ts{};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return SteadyTime::FromMicros(int64_t{ts.tv_sec} * 1'000'000 + ts.tv_nsec / 1000);
  }
  absl::Time Wall() const override { return absl::Now(); }
};

}  // namespace

const Clock& RealClock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace penstock
