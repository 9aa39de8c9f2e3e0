#include "worker/core/prefetch.h"

#include <gtest/gtest.h>

namespace penstock::worker {
namespace {

SteadyTime At(int64_t ms) { return SteadyTime::FromMicros(ms * 1000); }

TEST(PrefetchTest, IsWhatEndedWithinTheWindow) {
  Prefetch prefetch(1000);
  prefetch.Ended(10, absl::Milliseconds(1), At(1000));
  prefetch.Ended(5, absl::Milliseconds(1), At(1030));
  EXPECT_EQ(prefetch.Allowance(At(1030)), 15);
  EXPECT_EQ(prefetch.Allowance(At(1050)), 5);
  EXPECT_EQ(prefetch.Allowance(At(1100)), 0);
}

TEST(PrefetchTest, IsCapped) {
  Prefetch prefetch(7);
  prefetch.Ended(100, absl::ZeroDuration(), At(1));
  EXPECT_EQ(prefetch.Allowance(At(1)), 7);
}

TEST(PrefetchTest, IsNothingForLongAttempts) {
  Prefetch prefetch(1000);
  for (int i = 0; i < 100; ++i) prefetch.Ended(1, absl::Seconds(1), At(1000));
  EXPECT_EQ(prefetch.Allowance(At(1000)), 0);
}

TEST(PrefetchTest, SurvivesAnyClock) {
  Prefetch prefetch(10);
  prefetch.Ended(1, absl::ZeroDuration(), SteadyTime());
  EXPECT_EQ(prefetch.Allowance(SteadyTime()), 1);
  EXPECT_EQ(prefetch.Allowance(SteadyTime::Infinite()), 0);
}

}  // namespace
}  // namespace penstock::worker
