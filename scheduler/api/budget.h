#pragma once
// Bounds what waits: requests that are not answered yet, wherever they are.
#include <atomic>
#include <cstdint>
#include <memory>

namespace penstock::api {

// Thread-safe. Outlives the holds that it has given.
class Budget {
 public:
  explicit Budget(int64_t amount) : free_(amount) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // A share, given back when the last copy goes. Null when that much is not left.
  std::shared_ptr<void> TryHold(int64_t amount) {
    if (free_.fetch_sub(amount) < amount) {
      free_.fetch_add(amount);
      return nullptr;
    }
    return std::shared_ptr<void>(
        this, [amount](void* budget) { static_cast<Budget*>(budget)->free_.fetch_add(amount); });
  }

 private:
  std::atomic<int64_t> free_;
};

}  // namespace penstock::api
