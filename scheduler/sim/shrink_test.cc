#include "scheduler/sim/shrink.h"

#include <gtest/gtest.h>

namespace penstock::sim {
namespace {

// A deposed owner that the database no longer stops does harm only after a fault.
TEST(ShrinkTest, LeavesOutWhatTheViolationDoesNotNeed) {
  Options options;
  options.tasks = 600;
  options.mutation = Mutation::kUnknownIsFailed;
  Report whole;
  for (options.seed = 1; options.seed < 40; ++options.seed) {
    whole = World(options).Run();
    if (!whole.violations.empty()) break;
  }
  ASSERT_FALSE(whole.violations.empty());
  const Shrunk shrunk = Shrink(options, 40);
  EXPECT_FALSE(shrunk.report.violations.empty());
  EXPECT_LE(shrunk.tries, 40);
  EXPECT_LT(shrunk.options.tasks, options.tasks);
  EXPECT_LE(shrunk.report.story.size(), whole.story.size());
  EXPECT_FALSE(World(shrunk.options).Run().violations.empty()) << "it can be told again";
}

TEST(FaultTest, LeavingOneOutLeavesTheOthersWhatTheyAre) {
  Options options;
  options.tasks = 400;
  const Report all = World(options).Run();
  options.skipped_faults = {0};
  const Report without = World(options).Run();
  ASSERT_TRUE(all.violations.empty() && without.violations.empty());
  ASSERT_GE(all.story.size(), 2U);
  ASSERT_FALSE(without.story.empty());
  EXPECT_NE(all.story.front().find("fault 0:"), std::string::npos);
  const auto what = [](const std::string& line) { return line.substr(line.find("fault")); };
  EXPECT_EQ(what(without.story.front()), what(all.story[1]));
}

}  // namespace
}  // namespace penstock::sim
