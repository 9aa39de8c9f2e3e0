#pragma once
// Which schedulers there are, the reachable ones first.
#include <string>
#include <vector>

#include "common/base/mutex.h"

namespace penstock::worker {

// Thread-safe.
class AddressBook {
 public:
  void Set(std::vector<std::string> addresses) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    addresses_ = std::move(addresses);
  }
  std::vector<std::string> List() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    return addresses_;
  }

 private:
  mutable Mutex mu_;
  std::vector<std::string> addresses_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::worker
