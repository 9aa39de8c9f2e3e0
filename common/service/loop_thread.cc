#include "common/service/loop_thread.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/clock.h"

namespace penstock::service {

namespace {
constexpr absl::Duration kLongestWait = absl::Hours(24 * 365);  // keeps deadlines in range
}

struct StopToken::State {
  Mutex mu;
  CondVar changed;
  bool stop ABSL_GUARDED_BY(mu) = false;
  bool woken ABSL_GUARDED_BY(mu) = false;
};

bool StopToken::StopRequested() const {
  MutexLock lock(&state_->mu);
  return state_->stop;
}

bool StopToken::Wait(absl::Duration timeout) const {
  const SteadyTime deadline = RealClock().Steady() + std::min(timeout, kLongestWait);
  MutexLock lock(&state_->mu);
  while (!state_->stop && !state_->woken) {
    const absl::Duration left = deadline - RealClock().Steady();
    if (left <= absl::ZeroDuration()) break;
    state_->changed.WaitWithTimeout(&state_->mu, left);
  }
  state_->woken = false;
  return !state_->stop;
}

LoopThread::LoopThread() : state_(std::make_unique<StopToken::State>()) {}

LoopThread::~LoopThread() { Stop(); }

void LoopThread::Start(const std::string& name, std::function<void(StopToken)> body) {
  PENSTOCK_CHECK(thread_ == nullptr, "the loop runs already");
  {
    MutexLock lock(&state_->mu);
    state_->stop = false;
  }
  thread_ = std::make_unique<Thread>(
      name, [token = StopToken(state_.get()), run = std::move(body)] { run(token); });
}

// Signals come after the unlocking: who is woken on this processor would else run into the lock.
void LoopThread::Wake() {
  {
    MutexLock lock(&state_->mu);
    if (std::exchange(state_->woken, true)) return;
  }
  state_->changed.SignalAll();
}

void LoopThread::RequestStop() {
  {
    MutexLock lock(&state_->mu);
    state_->stop = true;
  }
  state_->changed.SignalAll();
}

void LoopThread::Stop() {
  RequestStop();
  thread_.reset();
}

}  // namespace penstock::service
