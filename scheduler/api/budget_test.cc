#include "scheduler/api/budget.h"

#include <gtest/gtest.h>

namespace penstock::api {
namespace {

TEST(BudgetTest, IsGivenBackWithTheLastCopyOfTheHold) {
  Budget budget(10);
  auto first = budget.TryHold(6);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(budget.TryHold(6), nullptr);
  EXPECT_NE(budget.TryHold(4), nullptr);
  auto copy = first;
  first.reset();
  EXPECT_EQ(budget.TryHold(6), nullptr);
  copy.reset();
  EXPECT_NE(budget.TryHold(10), nullptr);
}

}  // namespace
}  // namespace penstock::api
