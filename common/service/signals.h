#pragma once
// SIGTERM and SIGINT become an ordinary call on an ordinary thread.
#include <functional>

#include "common/service/thread.h"

namespace penstock::service {

// Blocks SIGTERM and SIGINT for the calling thread and all threads it starts, and ignores SIGPIPE.
// Call it first thing in main(), before any thread exists. Children inherit both: whoever spawns a
// process resets them for it.
void BlockShutdownSignals();

// Waits for the signals that BlockShutdownSignals blocked. One per process, owned by main().
class SignalThread {
 public:
  // `on_first` is called with the first signal's number, on this object's thread; it must not block
  // (set an Event, close a queue), or the second signal would not be noticed. The second signal
  // calls `on_second`, which ends the process at once with 128 + signal unless told otherwise.
  explicit SignalThread(std::function<void(int)> on_first,
                        std::function<void(int)> on_second = ExitAtOnce);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  static void ExitAtOnce(int signal);
  void Run();

  const std::function<void(int)> on_first_;
  const std::function<void(int)> on_second_;
  const int signal_fd_;
  const int stop_fd_;
  Thread thread_;  // last: it uses the others
};

}  // namespace penstock::service
