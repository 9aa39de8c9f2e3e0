#pragma once
// When a failed attempt is tried again.
#include <cstdint>

#include "absl/time/time.h"
#include "common/dag/spec.h"
#include "scheduler/core/facts.h"

namespace penstock::core {

// Delay before the next attempt after `tries` charged ones (>= 1): initial * multiplier^(tries-1),
// with jitter drawn from [delay, 2 * delay), never above the ceiling. The draw is a function of
// the instance and the attempt, so that a replay agrees.
absl::Duration RetryDelay(const dag::Retries& retries, int32_t tries, const TaskKey& key,
                          int32_t attempt);

}  // namespace penstock::core
