#include "scheduler/sim/shrink.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::sim {
namespace {

// A line of a story without its time.
std::string What(const std::string& line) { return line.substr(line.find("fault")); }

// To take an unknown commit for a failed one does harm only after a fault.
TEST(ShrinkTest, GivesAStoryThatIsNoLongerAndStillViolates) {
  Options options;
  options.tasks = 600;
  options.mutation = Mutation::kUnknownIsFailed;
  Report whole;
  for (options.seed = 1; options.seed < 40; ++options.seed) {
    whole = World(options).Run();
    if (!whole.violations.empty()) break;
  }
  ASSERT_FALSE(whole.violations.empty());
  const Shrunk shrunk = Shrink(options, 8);
  EXPECT_FALSE(shrunk.report.violations.empty());
  EXPECT_LE(shrunk.tries, 8);
  // How much smaller depends on the standard library's hashing.
  EXPECT_LE(shrunk.options.tasks, options.tasks);
  EXPECT_LE(shrunk.report.story.size(), whole.story.size());
  EXPECT_FALSE(World(shrunk.options).Run().violations.empty()) << "it can be told again";
}

TEST(FaultTest, LeavingOneOutLeavesTheOthersWhatTheyAre) {
  Options options;
  options.tasks = 400;
  Report all;
  for (options.seed = 1; options.seed < 40; ++options.seed) {
    all = World(options).Run();
    if (all.story.size() >= 2) break;
  }
  ASSERT_GE(all.story.size(), 2U);
  const std::string told = What(all.story[0]);  // "fault 3: ..."
  options.skipped_faults = {std::stoi(told.substr(told.find(' ')))};
  const Report without = World(options).Run();
  ASSERT_TRUE(all.violations.empty() && without.violations.empty());
  ASSERT_FALSE(without.story.empty());
  EXPECT_EQ(What(without.story[0]), What(all.story[1]));
}

}  // namespace
}  // namespace penstock::sim
