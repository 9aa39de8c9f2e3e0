#include "worker/core/prefetch.h"

#include <algorithm>
#include <numeric>

namespace penstock::worker {

void Prefetch::Ended(int count, absl::Duration duration, SteadyTime now) {
  MoveTo(now);
  ended_[static_cast<size_t>(bucket_ % kBuckets)] += count;
  const double share = std::min(1.0, static_cast<double>(count) / 16);
  mean_us_ += (absl::ToDoubleMicroseconds(duration) - mean_us_) * share;
}

int Prefetch::Allowance(SteadyTime now) {
  if (mean_us_ >= static_cast<double>(kWindowUs)) return 0;
  MoveTo(now);
  const int64_t recent = std::accumulate(ended_.begin(), ended_.end(), int64_t{0});
  return static_cast<int>(std::min<int64_t>(recent, max_));
}

void Prefetch::MoveTo(SteadyTime now) {
  const int64_t bucket = std::max<int64_t>(now.micros() / (kWindowUs / kBuckets), 0);
  if (bucket - bucket_ >= kBuckets) {
    ended_.fill(0);
    bucket_ = bucket;
  }
  while (bucket_ < bucket) ended_[static_cast<size_t>(++bucket_ % kBuckets)] = 0;
}

}  // namespace penstock::worker
