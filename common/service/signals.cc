#include "common/service/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "common/base/check.h"

namespace penstock::service {
namespace {

sigset_t ShutdownSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

int OpenSignalFd() {
  const sigset_t set = ShutdownSignals();
  const int fd = signalfd(-1, &set, SFD_CLOEXEC);
  PENSTOCK_CHECK(fd >= 0, "signalfd failed");
  return fd;
}

int OpenStopFd() {
  const int fd = eventfd(0, EFD_CLOEXEC);
  PENSTOCK_CHECK(fd >= 0, "eventfd failed");
  return fd;
}

}  // namespace

void BlockShutdownSignals() {
  const sigset_t set = ShutdownSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

SignalThread::SignalThread(std::function<void(int)> on_first, std::function<void(int)> on_second)
    : on_first_(std::move(on_first)),
      on_second_(std::move(on_second)),
      signal_fd_(OpenSignalFd()),
      stop_fd_(OpenStopFd()),
      thread_("signals", [this] { Run(); }) {}

SignalThread::~SignalThread() {
  const uint64_t one = 1;
  const ssize_t written = write(stop_fd_, &one, sizeof(one));
  PENSTOCK_CHECK(written == sizeof(one), "eventfd write failed");
  thread_.Join();
  close(signal_fd_);
  close(stop_fd_);
}

void SignalThread::ExitAtOnce(int signal) { _exit(128 + signal); }

void SignalThread::Run() {
  for (bool first = true;;) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno == EINTR) continue;
    if (fds[1].revents != 0) return;
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    (first ? on_first_ : on_second_)(static_cast<int>(info.ssi_signo));
    first = false;
  }
}

}  // namespace penstock::service
