#include "common/base/random.h"

#include <sys/random.h>

#include "common/base/check.h"

namespace penstock {

int64_t RandomId() {
  uint64_t bits = 0;
  while ((bits >> 1) == 0) {
    PENSTOCK_CHECK(getrandom(&bits, sizeof bits, 0) == sizeof bits, "the kernel gives randomness");
  }
  return static_cast<int64_t>(bits >> 1);
}

}  // namespace penstock
