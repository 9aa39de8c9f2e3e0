#include "scheduler/api/delay_queue.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace penstock::api {
namespace {
constexpr absl::Duration kLongestWait = absl::Minutes(1);
}

DelayQueue::~DelayQueue() { Stop(); }

void DelayQueue::Start(const std::string& thread_name) {
  loop_.Start(thread_name, [this](service::StopToken token) {
    while (token.Wait(RunDue())) {
    }
  });
}

void DelayQueue::After(absl::Duration delay, std::function<void()> fn) {
  const SteadyTime at = clock_.Steady() + delay;
  {
    MutexLock lock(&mu_);
    if (stopped_) return;
    const bool first = waiting_.empty() || at < waiting_.begin()->first;
    waiting_.emplace(at, std::move(fn));
    if (!first) return;
  }
  loop_.Wake();
}

absl::Duration DelayQueue::RunDue() {
  std::vector<std::function<void()>> due;
  absl::Duration wait = kLongestWait;
  {
    MutexLock lock(&mu_);
    const SteadyTime now = clock_.Steady();
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      due.push_back(std::move(waiting_.begin()->second));
      waiting_.erase(waiting_.begin());
    }
    if (!waiting_.empty()) wait = std::min(wait, waiting_.begin()->first - now);
  }
  for (const std::function<void()>& fn : due) fn();
  return wait;
}

void DelayQueue::Stop() {
  loop_.Stop();
  Waiting dropped;  // destroyed without the lock: the functions own things
  MutexLock lock(&mu_);
  stopped_ = true;
  dropped.swap(waiting_);
}

}  // namespace penstock::api
