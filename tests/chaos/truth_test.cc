#include "tests/chaos/truth.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace penstock::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Expected TwoTasks() { return {{"a", "b"}, {{"b", {"a"}}}, {"a"}, 1}; }

TEST(TruthTest, TakesAGoodStory) {
  const Truth truth = ParseTruth(
      "1 a 1 start 10.0\n1 a 1 alive 10.1\n1 a 1 end 10.2\n1 b 1 start 10.5\n1 b 1 end 10.6\n");
  EXPECT_THAT(truth.executions, SizeIs(2));
  EXPECT_THAT(truth.strange, IsEmpty());
  const Verdict verdict = Judge(truth, {1}, TwoTasks());
  EXPECT_THAT(verdict.violations, IsEmpty());
  EXPECT_EQ(verdict.attempts, 2);
  EXPECT_EQ(verdict.repeated, 0);
  EXPECT_NEAR(verdict.longest_gap, 0.5, 1e-9);
  EXPECT_GT(verdict.gap_end, 0);
  EXPECT_EQ(verdict.most_in_pool, 1);
}

TEST(TruthTest, TakesAnAttemptThatWasKilledAndRepeated) {
  const Verdict verdict =
      Judge(ParseTruth("1 a 1 start 10.0\n1 a 1 alive 10.1\n1 a 2 start 12.0\n1 a 2 end 12.1\n"
                       "1 b 1 start 13\n1 b 1 end 13.1\n"),
            {1}, TwoTasks());
  EXPECT_THAT(verdict.violations, IsEmpty());
  EXPECT_EQ(verdict.repeated, 1);
}

// Each story breaks one rule.
TEST(TruthTest, NoticesEveryViolation) {
  const char* const good = "1 a 1 start 10\n1 a 1 end 10.2\n1 b 1 start 10.5\n1 b 1 end 10.6\n";
  const auto judge = [&](const std::string& more) {
    return Judge(ParseTruth(good + more), {1}, TwoTasks()).violations;
  };
  EXPECT_THAT(judge(""), IsEmpty());
  EXPECT_THAT(judge("1 a 1 start 10.1\n"), ElementsAre(HasSubstr("started 2 times")));
  EXPECT_THAT(judge("1 b 2 start 10.55\n1 b 2 end 11\n"),
              ElementsAre(HasSubstr("before attempt 1 was last seen")));
  EXPECT_THAT(judge("2 a 1 start 10.1\n2 a 1 end 10.15\n"),
              ElementsAre(HasSubstr("2 at once in a pool of 1")));
  EXPECT_THAT(judge("2 b 1 start 12\n2 b 1 end 13\n"),
              ElementsAre(HasSubstr("before a had ended")));
  EXPECT_THAT(judge("nonsense\n"), ElementsAre(HasSubstr("strange line")));
  EXPECT_THAT(Judge(ParseTruth(good), {1, 2}, TwoTasks()).violations,
              ElementsAre(HasSubstr("run 2 task a never"), HasSubstr("run 2 task b never")));
}

}  // namespace
}  // namespace penstock::chaos
