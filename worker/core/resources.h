#pragma once
// What attempts ask of a worker, and the account of what is left, across all domains.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace penstock::worker {

// What one attempt asks for. 0 = nothing.
struct Demand {
  int64_t cpu_millis = 0;
  int64_t memory_bytes = 0;
  std::vector<std::pair<std::string, int64_t>> custom;  // values > 0
  bool empty() const { return cpu_millis == 0 && memory_bytes == 0 && custom.empty(); }
};

// What a worker has. A custom resource that is not listed is not there.
struct Capacity {
  int64_t cpu_millis = 0;    // 0 = not limited
  int64_t memory_bytes = 0;  // 0 = not limited
  std::map<std::string, int64_t> custom;
};

// Not thread-safe.
class ResourceLedger {
 public:
  explicit ResourceLedger(Capacity capacity) : capacity_(std::move(capacity)) {}
  // Takes all that is asked for, or nothing and returns false.
  bool TryTake(const Demand& demand);
  // Gives back what TryTake took.
  void Give(const Demand& demand);
  int64_t cpu_millis_taken() const { return cpu_millis_; }
  int64_t memory_bytes_taken() const { return memory_bytes_; }

 private:
  bool Fits(const Demand& demand) const;
  void Add(const Demand& demand, int64_t sign);

  const Capacity capacity_;
  int64_t cpu_millis_ = 0;
  int64_t memory_bytes_ = 0;
  std::map<std::string, int64_t> custom_;
};

}  // namespace penstock::worker
