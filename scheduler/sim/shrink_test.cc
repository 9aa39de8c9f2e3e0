#include "scheduler/sim/shrink.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace penstock::sim {
namespace {

// To take an unknown commit for one that happened does harm only after a fault.
TEST(ShrinkTest, GivesAStoryThatIsNoLongerAndStillViolates) {
  Options options;
  options.tasks = 1000;
  options.mutation = Mutation::kUnknownIsCommitted;
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

// The faults of a story by their numbers: "fault 3: a scheduler is killed, at any time".
std::map<int, std::string> Faults(const Report& report) {
  std::map<int, std::string> faults;
  for (const std::string& line : report.story) {
    const std::string told = line.substr(line.find("fault "));
    faults[std::stoi(told.substr(told.find(' ')))] = told;
  }
  return faults;
}

TEST(FaultTest, LeavingOneOutLeavesTheOthersWhatTheyAre) {
  Options options;
  options.tasks = 1200;
  const std::map<int, std::string> all = Faults(World(options).Run());
  ASSERT_GE(all.size(), 2U);
  options.skipped_faults = {all.begin()->first};
  const std::map<int, std::string> without = Faults(World(options).Run());
  EXPECT_FALSE(without.contains(all.begin()->first));
  int common = 0;
  for (const auto& [number, told] : without) {
    if (!all.contains(number)) continue;  // its moment came in this story only
    EXPECT_EQ(told, all.at(number));
    ++common;
  }
  EXPECT_GT(common, 0);
}

}  // namespace
}  // namespace penstock::sim
