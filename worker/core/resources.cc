#include "worker/core/resources.h"

#include <algorithm>

#include "common/base/check.h"

namespace penstock::worker {

bool ResourceLedger::TryTake(const Demand& demand) {
  if (!Fits(demand)) return false;
  Add(demand, 1);
  return true;
}

void ResourceLedger::Give(const Demand& demand) {
  Add(demand, -1);
  PENSTOCK_CHECK(cpu_millis_ >= 0 && memory_bytes_ >= 0, "resources are given back once");
}

bool ResourceLedger::Fits(const Demand& demand) const {
  // Written as subtractions: a demand near the largest number must not overflow.
  if (capacity_.cpu_millis > 0 && demand.cpu_millis > capacity_.cpu_millis - cpu_millis_) {
    return false;
  }
  if (capacity_.memory_bytes > 0 && demand.memory_bytes > capacity_.memory_bytes - memory_bytes_) {
    return false;
  }
  return std::all_of(demand.custom.begin(), demand.custom.end(), [this](const auto& wanted) {
    const auto has = capacity_.custom.find(wanted.first);
    const auto taken = custom_.find(wanted.first);
    const int64_t left = (has == capacity_.custom.end() ? 0 : has->second) -
                         (taken == custom_.end() ? 0 : taken->second);
    return wanted.second <= left;
  });
}

void ResourceLedger::Add(const Demand& demand, int64_t sign) {
  if (capacity_.cpu_millis > 0) cpu_millis_ += sign * demand.cpu_millis;
  if (capacity_.memory_bytes > 0) memory_bytes_ += sign * demand.memory_bytes;
  for (const auto& [name, amount] : demand.custom) {
    int64_t& taken = custom_[name];
    taken += sign * amount;
    PENSTOCK_CHECK(taken >= 0, "resources are given back once");
  }
}

}  // namespace penstock::worker
