#include "scheduler/engine/watches.h"

#include <algorithm>
#include <utility>

namespace penstock::engine {

std::shared_ptr<void> Watches::Add(RunId run, std::function<void()> changed) {
  auto callback = std::make_shared<Callback>(std::move(changed));
  MutexLock lock(&mu_);
  watched_[run].push_back(callback);
  changed_.insert(run);
  return callback;
}

void Watches::Changed(const std::vector<RunId>& runs) {
  MutexLock lock(&mu_);
  if (watched_.empty()) return;
  for (RunId run : runs) {
    if (watched_.contains(run)) changed_.insert(run);
  }
}

SteadyTime Watches::Due() const {
  MutexLock lock(&mu_);
  return changed_.empty() ? SteadyTime::Infinite() : next_;
}

void Watches::Tell(SteadyTime now) {
  std::vector<std::shared_ptr<Callback>> due;
  {
    MutexLock lock(&mu_);
    if (changed_.empty() || now < next_) return;
    next_ = now + absl::Milliseconds(100);
    for (RunId run : changed_) {
      const auto it = watched_.find(run);
      if (it == watched_.end()) continue;
      std::erase_if(it->second, [](const auto& weak) { return weak.expired(); });
      for (const auto& weak : it->second) {
        if (auto callback = weak.lock()) due.push_back(std::move(callback));
      }
      if (it->second.empty()) watched_.erase(it);
    }
    changed_.clear();
  }
  for (const auto& callback : due) (*callback)();
}

}  // namespace penstock::engine
