#pragma once
// A thread that runs a loop and waits in between, for a time, a wake-up or the order to stop.
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/service/thread.h"

namespace penstock::service {

// The loop's side of a LoopThread. A handle: copies are the same token. Valid while the loop runs.
class StopToken {
 public:
  bool StopRequested() const;
  // Waits until Wake(), Stop() or `timeout`. Returns false once the loop must end, so that the
  // usual loop is `while (token.Wait(interval)) Pass();`. A Wake() that came since the last Wait
  // is remembered (once) and makes it return at once.
  bool Wait(absl::Duration timeout) const;

 private:
  friend class LoopThread;
  struct State;
  explicit StopToken(State* state) : state_(state) {}
  State* state_;  // owned by the LoopThread
};

// Thread-safe; Start and Stop belong to one owner.
class LoopThread {
 public:
  LoopThread();
  ~LoopThread();  // Stop()
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // Runs `body` on a new thread. `body` returns when the token says so (or earlier). May follow a
  // Stop(); twice in a row is a bug of the caller (CHECK).
  void Start(const std::string& name, std::function<void(StopToken)> body);
  // Makes the current or the next Wait return. Never blocks.
  void Wake();
  // Asks the loop to end without waiting for it. May come before Start, then it has no effect.
  void RequestStop();
  // Asks the loop to end and waits for it. May come twice or without Start; never from the loop's
  // own thread, which has RequestStop.
  void Stop();

 private:
  const std::unique_ptr<StopToken::State> state_;
  std::unique_ptr<Thread> thread_;
};

}  // namespace penstock::service
