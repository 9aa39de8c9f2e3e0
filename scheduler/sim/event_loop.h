#pragma once
// Virtual time: what happens is a queue of things to do, each at its microsecond.
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "common/base/clock.h"

namespace penstock::sim {

// Not thread-safe. Events of the same moment run in the order of scheduling.
class EventLoop : public Clock {
 public:
  using Fn = std::function<void()>;

  SteadyTime Steady() const override { return SteadyTime::FromMicros(now_us_); }
  absl::Time Wall() const override { return absl::FromUnixMicros(1'700'000'000'000'000 + now_us_); }
  int64_t now_us() const { return now_us_; }

  void At(int64_t us, Fn fn) { queue_.push({us < now_us_ ? now_us_ : us, next_++, std::move(fn)}); }
  void After(int64_t us, Fn fn) { At(now_us_ + us, std::move(fn)); }

  // Runs the next thing; false when nothing is left.
  bool Step() {
    if (queue_.empty()) return false;
    Item item = std::move(const_cast<Item&>(queue_.top()));
    queue_.pop();
    now_us_ = item.at;
    item.fn();
    return true;
  }

 private:
  struct Item {
    int64_t at;
    uint64_t order;
    Fn fn;
    bool operator<(const Item& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  std::priority_queue<Item> queue_;
  int64_t now_us_ = 1'000'000;
  uint64_t next_ = 0;
};

}  // namespace penstock::sim
