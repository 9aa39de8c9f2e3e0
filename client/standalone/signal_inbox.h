#pragma once
// The supervisor's signals as something to wait on, so that it needs no handler and no thread.
#include <csignal>

#include "absl/time/time.h"
#include "common/process/unique_fd.h"

namespace penstock::client {

// Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD for the calling thread and ignores SIGPIPE while it
// lives. One per process, on the main thread. Not thread-safe.
class SignalInbox {
 public:
  SignalInbox();
  ~SignalInbox();
  SignalInbox(const SignalInbox&) = delete;
  SignalInbox& operator=(const SignalInbox&) = delete;

  // Returns when a signal has arrived, or after `timeout`.
  void Wait(absl::Duration timeout);
  // How many requests to stop have arrived: one = stop in order, more = at once.
  int stop_requests() const { return stop_requests_; }

 private:
  sigset_t before_;
  struct sigaction pipe_before_;
  process::UniqueFd fd_;
  int stop_requests_ = 0;
};

}  // namespace penstock::client
