#include "client/lib/glob.h"

#include <gtest/gtest.h>

#include "client/lib/errors.h"

namespace penstock::client {
namespace {

TEST(GlobTest, SplitsAtSlashes) {
  const auto glob = Glob::Parse("./sql/**/*.sql");
  ASSERT_TRUE(glob.ok());
  EXPECT_EQ(glob->components(), (std::vector<std::string>{"sql", "**", "*.sql"}));
  EXPECT_EQ(Glob::Parse("scripts/")->components(), std::vector<std::string>{"scripts"});
}

TEST(GlobTest, RefusesPathsThatLeaveTheFolder) {
  for (const char* pattern :
       {"", "/", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a[b", "./"}) {
    EXPECT_EQ(ExitCodeOf(Glob::Parse(pattern).status()), ExitCode::kUsage) << pattern;
  }
}

TEST(GlobTest, MatchesWithinOneComponent) {
  EXPECT_TRUE(MatchComponent("*.sql", "load.sql"));
  EXPECT_FALSE(MatchComponent("*.sql", "load.sqlx"));
  EXPECT_TRUE(MatchComponent("a*b*c", "aXXbYYbc"));
  EXPECT_FALSE(MatchComponent("a*b*c", "aXXbYY"));
  EXPECT_TRUE(MatchComponent("?at", "cat"));
  EXPECT_FALSE(MatchComponent("?at", "at"));
  EXPECT_TRUE(MatchComponent("x**", "x"));
}

TEST(GlobTest, MatchesClasses) {
  EXPECT_TRUE(MatchComponent("[a-c]1", "b1"));
  EXPECT_FALSE(MatchComponent("[a-c]1", "d1"));
  EXPECT_TRUE(MatchComponent("[!a-c]1", "d1"));
  EXPECT_TRUE(MatchComponent("[]x]", "]"));
  EXPECT_TRUE(MatchComponent("[x-]", "-"));
}

TEST(GlobTest, TakesEscapedCharactersLiterally) {
  EXPECT_TRUE(MatchComponent("a\\*", "a*"));
  EXPECT_FALSE(MatchComponent("a\\*", "ab"));
  EXPECT_FALSE(HasWildcard("a\\*"));
  EXPECT_EQ(Unescape("a\\*"), "a*");
  EXPECT_TRUE(HasWildcard("a*"));
}

TEST(GlobTest, LeavesHiddenFilesAlone) {
  EXPECT_FALSE(MatchComponent("*", ".env"));
  EXPECT_TRUE(MatchComponent(".*", ".env"));
}

}  // namespace
}  // namespace penstock::client
