#include "scheduler/api/open_streams.h"

#include <utility>

namespace penstock::api {

int64_t OpenStreams::Add(std::string_view method, std::function<void()> close) {
  observer_.StreamOpen(method, 1);
  int64_t id = 0;
  {
    MutexLock lock(&mu_);
    id = next_++;
    if (!closed_) {
      closers_[id] = std::move(close);
      return id;
    }
  }
  close();
  return id;
}

void OpenStreams::Leave(std::string_view method, int64_t id) {
  observer_.StreamOpen(method, -1);
  MutexLock lock(&mu_);
  closers_.erase(id);
}

void OpenStreams::CloseAll() {
  absl::flat_hash_map<int64_t, std::function<void()>> closers;
  {
    MutexLock lock(&mu_);
    closed_ = true;
    closers.swap(closers_);
  }
  for (const auto& [id, close] : closers) close();
}

}  // namespace penstock::api
