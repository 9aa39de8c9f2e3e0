#include "scheduler/engine/poll_pace.h"

#include <gtest/gtest.h>

namespace penstock::engine {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);

class PollPaceTest : public ::testing::Test {
 protected:
  const SteadyTime begin_ = SteadyTime::FromMicros(5'000'000);
  PollPace pace_{kInterval};
};

TEST_F(PollPaceTest, QuestionsBeginAnIntervalApart) {
  EXPECT_TRUE(pace_.Begin(begin_));
  pace_.Answered();
  EXPECT_EQ(pace_.Due(), begin_ + kInterval);
  EXPECT_FALSE(pace_.Begin(begin_ + kInterval / 2));
  EXPECT_TRUE(pace_.Begin(begin_ + kInterval));
}

// A database that hangs must not keep the caller busy.
TEST_F(PollPaceTest, NothingIsDueBeforeALateAnswer) {
  EXPECT_TRUE(pace_.Begin(begin_));
  EXPECT_EQ(pace_.Due(), SteadyTime::Infinite());
  EXPECT_FALSE(pace_.Begin(begin_ + 10 * kInterval));
  pace_.Answered();
  EXPECT_TRUE(pace_.Begin(begin_ + 10 * kInterval));
}

TEST_F(PollPaceTest, HurriesAfterTheAnswer) {
  EXPECT_TRUE(pace_.Begin(begin_));
  pace_.Hurry();
  EXPECT_FALSE(pace_.Begin(begin_));
  pace_.Answered();
  EXPECT_TRUE(pace_.Begin(begin_));
}

}  // namespace
}  // namespace penstock::engine
