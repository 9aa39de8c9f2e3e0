#pragma once
// Who wants to know when a run changes, told at most every 100 ms.
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/mutex.h"

namespace penstock::engine {

// Thread-safe, with one thread that tells: callbacks run on it and must only hand over.
class Watches {
 public:
  // Until the handle dies. The first call comes at once.
  std::shared_ptr<void> Add(RunId run, std::function<void()> changed);
  void Changed(const std::vector<RunId>& runs);
  // Calls what is due.
  void Tell(SteadyTime now);
  // When there is something to tell; Infinite = when something changes.
  SteadyTime Due() const;

 private:
  using Callback = std::function<void()>;
  mutable Mutex mu_;
  absl::flat_hash_map<RunId, std::vector<std::weak_ptr<Callback>>> watched_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<RunId> changed_ ABSL_GUARDED_BY(mu_);
  SteadyTime next_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::engine
