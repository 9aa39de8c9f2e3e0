#pragma once
// Runs functions later, so that nothing needs a thread to wait.
#include <functional>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/service/loop_thread.h"

namespace penstock::api {

// Thread-safe. One thread of its own; the functions must only hand over.
class DelayQueue {
 public:
  explicit DelayQueue(const Clock& clock) : clock_(clock) {}
  ~DelayQueue();  // Stop()

  void Start(const std::string& thread_name);
  // Runs `fn` after about `delay`. Once stopped, `fn` is dropped (destroyed) instead.
  void After(absl::Duration delay, std::function<void()> fn) ABSL_LOCKS_EXCLUDED(mu_);
  // Runs what is due and returns the time until the next, at most a minute. For the own thread and
  // for tests with a clock of their own.
  absl::Duration RunDue() ABSL_LOCKS_EXCLUDED(mu_);
  // Drops what waits. May come twice or without Start.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Waiting = std::multimap<SteadyTime, std::function<void()>>;
  const Clock& clock_;
  service::LoopThread loop_;
  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  Waiting waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::api
