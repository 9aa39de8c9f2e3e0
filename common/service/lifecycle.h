#pragma once
// Starts the parts of a process in order and stops them in reverse order, each with a deadline.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace penstock::service {

// One part of a process. Either function may be empty.
struct LifecycleStep {
  std::string name;
  // Runs on the caller's thread. Not OK = the process does not start; the error should name the
  // cause.
  std::function<absl::Status()> start;
  // Called once if the step started; must try to return within the time it is given.
  std::function<void(absl::Duration)> stop;
  absl::Duration stop_deadline = absl::Seconds(5);
};

// What the observer is told; `took` is the time of that start or stop so far.
struct LifecycleEvent {
  enum class Kind { kStarted, kStartFailed, kStopped, kStuck };
  Kind kind;
  std::string_view step;
  absl::Duration took;
  absl::Status status;  // of kStartFailed, else OK
};

// Not thread-safe: one thread (main) adds, starts and stops.
class Lifecycle {
 public:
  struct Options {
    // Told of each start and stop, usually to log it. kStuck comes from another thread, when a stop
    // is `stuck_margin` past its deadline; the observer may end the process then.
    std::function<void(const LifecycleEvent&)> observer;
    absl::Duration stuck_margin = absl::Seconds(1);
  };

  explicit Lifecycle(Options options);
  ~Lifecycle();  // Stop()

  // Steps start in the order of adding.
  void Add(LifecycleStep step);
  // Starts all steps. At the first failure stops those that started, and returns the error with the
  // step's name before it.
  absl::Status Start();
  // Stops the started steps, last first. May come twice or without Start.
  void Stop();

 private:
  absl::Status StartOne(const LifecycleStep& step);
  void StopOne(const LifecycleStep& step);
  void Tell(const LifecycleEvent& event) const;

  const Options options_;
  std::vector<LifecycleStep> steps_;
  size_t started_ = 0;
};

}  // namespace penstock::service
