#include "client/standalone/signal_inbox.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

namespace penstock::client {

SignalInbox::SignalInbox() {
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&ours, number);
  sigprocmask(SIG_BLOCK, &ours, &before_);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before_);
  fd_.Reset(signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
}

SignalInbox::~SignalInbox() {
  sigaction(SIGPIPE, &pipe_before_, nullptr);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void SignalInbox::Wait(absl::Duration timeout) {
  pollfd readable{fd_.get(), POLLIN, 0};
  const auto millis = std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 0, 60'000);
  poll(&readable, 1, static_cast<int>(millis));
  signalfd_siginfo info;
  while (read(fd_.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    if (info.ssi_signo != SIGCHLD) ++stop_requests_;
  }
}

}  // namespace penstock::client
