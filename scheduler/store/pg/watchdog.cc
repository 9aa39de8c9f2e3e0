#include "scheduler/store/pg/watchdog.h"

#include <sys/socket.h>

#include <algorithm>

namespace penstock::pg {

Watchdog::Guard::Guard(Watchdog& watchdog, int fd, absl::Duration bound)
    : watchdog_(watchdog), token_(watchdog.Arm(fd, watchdog.clock_.Steady() + bound)) {}

Watchdog::Guard::~Guard() { watchdog_.Disarm(token_); }

Watchdog::Watchdog(const Clock& clock) : clock_(clock), thread_("pg-watchdog", [this] { Run(); }) {}

Watchdog::~Watchdog() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    wake_.SignalAll();
  }
  thread_.Join();
}

int64_t Watchdog::Arm(int fd, SteadyTime deadline) {
  MutexLock lock(&mu_);
  const int64_t token = next_token_++;
  calls_[token] = {deadline, fd};
  if (deadline < sleeps_until_) wake_.SignalAll();
  return token;
}

void Watchdog::Disarm(int64_t token) {
  MutexLock lock(&mu_);
  calls_.erase(token);
}

void Watchdog::EndAll() {
  MutexLock lock(&mu_);
  for (const auto& [token, call] : calls_) ::shutdown(call.fd, SHUT_RDWR);
  calls_.clear();
}

SteadyTime Watchdog::EndOverdue() {
  const SteadyTime now = clock_.Steady();
  SteadyTime next = SteadyTime::Infinite();
  for (auto it = calls_.begin(); it != calls_.end();) {
    if (it->second.deadline > now) {
      next = std::min(next, it->second.deadline);
      ++it;
      continue;
    }
    ::shutdown(it->second.fd, SHUT_RDWR);
    it = calls_.erase(it);
  }
  return next;
}

void Watchdog::Run() {
  MutexLock lock(&mu_);
  while (!stopping_) {
    sleeps_until_ = EndOverdue();
    wake_.WaitWithTimeout(&mu_, sleeps_until_ - clock_.Steady());
  }
}

}  // namespace penstock::pg
