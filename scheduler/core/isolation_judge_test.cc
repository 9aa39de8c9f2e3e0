#include "scheduler/core/isolation_judge.h"

#include <gtest/gtest.h>

namespace penstock::core {
namespace {

constexpr LastBeat Ready(absl::Duration age) { return {age, true}; }
constexpr LastBeat Lapsed(absl::Duration age) { return {age, false}; }

class IsolationJudgeTest : public ::testing::Test {
 protected:
  bool At(int64_t second, const LastBeat& own, const std::vector<LastBeat>& others) {
    return judge_.CutOff(own, others, SteadyTime::FromMicros(second * 1'000'000));
  }
  IsolationJudge judge_;
  const LastBeat fresh_ = Ready(absl::Milliseconds(300));
};

TEST_F(IsolationJudgeTest, IsCutOffWhenAnyOthersBeatsComeThrough) {
  EXPECT_TRUE(At(100, Lapsed(absl::Seconds(3)), {fresh_}));
  EXPECT_TRUE(At(101, Lapsed(absl::Seconds(4)), {Lapsed(absl::Seconds(90)), fresh_}));
  EXPECT_FALSE(At(102, fresh_, {fresh_})) << "its own come through again";
}

TEST_F(IsolationJudgeTest, IsNotWhenNobodyElseAnswers) {
  EXPECT_FALSE(At(100, Lapsed(absl::Seconds(3)), {}));
}

TEST_F(IsolationJudgeTest, IsNotWhenTheOthersLastBeatIsOfTheSameTime) {
  EXPECT_FALSE(At(100, Lapsed(absl::Seconds(3)), {Ready(absl::Milliseconds(2200))}));
  EXPECT_FALSE(At(101, Lapsed(absl::Seconds(4)), {Lapsed(absl::Milliseconds(3200))}));
}

TEST_F(IsolationJudgeTest, IsNoLongerWhenTheOthersLoseTheDatabaseToo) {
  EXPECT_TRUE(At(100, Lapsed(absl::Seconds(60)), {fresh_}));
  EXPECT_FALSE(At(104, Lapsed(absl::Seconds(64)), {Lapsed(absl::Seconds(4))}));
}

TEST_F(IsolationJudgeTest, AfterAnOutageSomebodyIsTheFirstToComeBack) {
  EXPECT_FALSE(At(100, Lapsed(absl::Seconds(10)), {Lapsed(absl::Seconds(10))}));
  EXPECT_FALSE(At(101, Lapsed(absl::Seconds(11)), {fresh_}));
  EXPECT_FALSE(At(106, Lapsed(absl::Seconds(16)), {fresh_}));
  EXPECT_TRUE(At(107, Lapsed(absl::Seconds(17)), {fresh_})) << "by now it should have come back";
}

}  // namespace
}  // namespace penstock::core
