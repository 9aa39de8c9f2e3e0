#include "scheduler/core/retry.h"

#include <algorithm>
#include <cmath>

#include "common/base/random.h"

namespace penstock::core {
namespace {

uint64_t Seed(const TaskKey& key, int32_t attempt) {
  SplitMix64 mix(static_cast<uint64_t>(key.run.value()));
  const uint64_t place = (static_cast<uint64_t>(static_cast<uint32_t>(key.task)) << 32) |
                         static_cast<uint32_t>(key.map);
  return mix.Next() ^ SplitMix64(place).Next() ^ static_cast<uint64_t>(attempt);
}

}  // namespace

absl::Duration RetryDelay(const dag::Retries& retries, int32_t tries, const TaskKey& key,
                          int32_t attempt) {
  const double ceiling_s = absl::ToDoubleSeconds(retries.ceiling);
  const double grown = absl::ToDoubleSeconds(retries.initial) *
                       std::pow(std::max(retries.multiplier, 1.0), std::max(tries - 1, 0));
  double delay_s = std::min(grown, ceiling_s);
  if (retries.jitter) delay_s *= 1.0 + SplitMix64(Seed(key, attempt)).Unit();
  return absl::Milliseconds(std::llround(std::min(delay_s, ceiling_s) * 1000));
}

}  // namespace penstock::core
