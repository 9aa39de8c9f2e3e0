#pragma once
// The name of one attempt.
#include <compare>
#include <cstdint>
#include <utility>

#include "common/base/ids.h"

namespace penstock::worker {

// One attempt of one task instance. `attempt` is the fencing token: it only grows for an instance.
struct AttemptKey {
  RunId run;
  uint32_t task = 0;  // index in the version's task list
  int32_t map = -1;   // -1 = not mapped
  int32_t attempt = 0;
  friend auto operator<=>(const AttemptKey&, const AttemptKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const AttemptKey& k) {
    return H::combine(std::move(h), k.run, k.task, k.map, k.attempt);
  }
};

}  // namespace penstock::worker
