#include "worker/core/resources.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace penstock::worker {
namespace {

TEST(ResourceLedgerTest, ZeroCapacityIsNotLimited) {
  ResourceLedger ledger({});
  EXPECT_TRUE(ledger.TryTake({INT64_MAX, INT64_MAX, {}}));
  EXPECT_TRUE(ledger.TryTake({INT64_MAX, INT64_MAX, {}}));
}

TEST(ResourceLedgerTest, AnUnlistedCustomResourceIsNotThere) {
  ResourceLedger ledger({});
  EXPECT_FALSE(ledger.TryTake({0, 0, {{"gpu", 1}}}));
}

TEST(ResourceLedgerTest, TakesAllOrNothing) {
  Capacity capacity{1000, 100, {{"gpu", 1}}};
  ResourceLedger ledger(capacity);
  EXPECT_FALSE(ledger.TryTake({500, 101, {}}));
  EXPECT_FALSE(ledger.TryTake({500, 50, {{"gpu", 2}}}));
  EXPECT_EQ(ledger.cpu_millis_taken(), 0);
  EXPECT_TRUE(ledger.TryTake({500, 50, {{"gpu", 1}}}));
  EXPECT_FALSE(ledger.TryTake({0, 0, {{"gpu", 1}}}));
  ledger.Give({500, 50, {{"gpu", 1}}});
  EXPECT_EQ(ledger.memory_bytes_taken(), 0);
  EXPECT_TRUE(ledger.TryTake({1000, 100, {{"gpu", 1}}}));
}

TEST(ResourceLedgerTest, ADemandNearTheLargestNumberDoesNotOverflow) {
  ResourceLedger ledger({1000, 100, {}});
  EXPECT_TRUE(ledger.TryTake({1, 1, {}}));
  EXPECT_FALSE(ledger.TryTake({INT64_MAX, 0, {}}));
}

}  // namespace
}  // namespace penstock::worker
