#include "client/lib/retry.h"

#include <gtest/gtest.h>

#include "common/base/status.h"
#include "common/rpc/status.h"

namespace penstock::client {
namespace {

constexpr SteadyTime kStart = SteadyTime::FromMicros(1'000'000);

absl::Status Unavailable(std::string_view text) {
  return MakeStatus(absl::StatusCode::kUnavailable, text);
}

TEST(RetryPlanTest, AsksEachAddressOnceWithoutABudget) {
  RetryPlan plan(3, 1, absl::ZeroDuration(), 1);
  EXPECT_EQ(plan.address(), 1u);
  EXPECT_EQ(plan.Failed(kStart, {}), absl::ZeroDuration());
  EXPECT_EQ(plan.address(), 2u);
  EXPECT_EQ(plan.Failed(kStart, {}), absl::ZeroDuration());
  EXPECT_EQ(plan.address(), 0u);
  EXPECT_EQ(plan.Failed(kStart, {}), std::nullopt);
}

TEST(RetryPlanTest, PausesAfterEachRoundUntilTheBudgetIsSpent) {
  RetryPlan plan(1, 0, absl::Seconds(2), 1);
  SteadyTime now = kStart;
  int attempts = 0;
  while (const auto pause = plan.Failed(now, {})) {
    EXPECT_GT(*pause, absl::ZeroDuration());
    EXPECT_LE(*pause, absl::Seconds(1));
    now = now + *pause;
    ASSERT_LT(++attempts, 50);
  }
  EXPECT_GE(attempts, 3);
  EXPECT_LE(now - kStart, absl::Seconds(2));
}

TEST(RetryPlanTest, NeverPausesBeyondTheBudget) {
  RetryPlan plan(1, 0, absl::Milliseconds(10), 1);
  EXPECT_LE(plan.Failed(kStart, absl::Seconds(5)).value(), absl::Milliseconds(10));
}

TEST(RetryPlanTest, StaysWithAServerThatAsksForPatience) {
  RetryPlan plan(2, 0, absl::Seconds(10), 1);
  EXPECT_GE(plan.Failed(kStart, absl::Milliseconds(700)).value(), absl::Milliseconds(700));
  EXPECT_EQ(plan.address(), 0u);
}

TEST(RetryPlanTest, BeginsAnewAfterASuccess) {
  RetryPlan plan(1, 0, absl::ZeroDuration(), 1);
  plan.Succeeded(absl::Seconds(1));
  EXPECT_TRUE(plan.untroubled());
  EXPECT_NE(plan.Failed(kStart, {}), std::nullopt);
  EXPECT_FALSE(plan.untroubled());
}

TEST(RetryTest, RepeatsOnlyWhatMayBeRepeated) {
  EXPECT_TRUE(IsRetryable(Unavailable("x")));
  EXPECT_TRUE(IsRetryable(MakeStatus(absl::StatusCode::kCancelled, "x")));
  absl::Status busy = MakeStatus(absl::StatusCode::kResourceExhausted, "queue full");
  EXPECT_FALSE(IsRetryable(busy));
  rpc::SetRetryAfter(&busy, absl::Milliseconds(50));
  EXPECT_TRUE(IsRetryable(busy));
  EXPECT_FALSE(IsRetryable(MakeStatus(absl::StatusCode::kInternal, "x")));
  EXPECT_FALSE(IsRetryable(MakeStatus(absl::StatusCode::kDeadlineExceeded, "x")));
}

TEST(RetryTest, SaysPlainlyWhyAConnectionFailed) {
  EXPECT_EQ(PlainReason(Unavailable("failed to connect to all addresses; last error: UNKNOWN: "
                                    "ipv4:127.0.0.1:1: Failed to connect to remote host: "
                                    "Connection refused")),
            "Connection refused");
  EXPECT_EQ(PlainReason(Unavailable("domain 3 has no owner: try again")),
            "domain 3 has no owner: try again");
}

}  // namespace
}  // namespace penstock::client
