#pragma once
// A function that runs again and again on its own thread.
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "common/service/loop_thread.h"

namespace penstock::service {

// Thread-safe but for Start, which belongs to the owner. Runs never overlap; the interval counts
// from the end of one run to the start of the next.
class Periodic {
 public:
  Periodic(std::string name, absl::Duration interval, std::function<void()> fn);
  ~Periodic();  // Stop()

  // The first run comes one interval after Start, or at once after a Trigger.
  void Start();
  // Runs soon, not only when the interval ends. Several triggers before a run are one.
  void Trigger() { loop_.Wake(); }
  // Waits for a run under way. May come twice or without Start.
  void Stop() { loop_.Stop(); }

 private:
  const std::string name_;
  const absl::Duration interval_;
  const std::function<void()> fn_;
  LoopThread loop_;
};

}  // namespace penstock::service
