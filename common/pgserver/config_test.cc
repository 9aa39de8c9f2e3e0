#include "common/pgserver/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::pgserver {
namespace {

using ::testing::HasSubstr;

TEST(ConfigTest, ListensOnTheSocketOnlyAndKeepsCommits) {
  const std::string text = RenderConfig({.socket_dir = "/tmp/s"});
  EXPECT_THAT(text, HasSubstr("listen_addresses = ''\n"));
  EXPECT_THAT(text, HasSubstr("unix_socket_directories = '\"/tmp/s\"'\n"));
  EXPECT_THAT(text, HasSubstr("\nfsync = on\nfull_page_writes = on\n"));
}

TEST(ConfigTest, WithoutDurabilityCommitsStillWait) {
  const std::string text = RenderConfig({.socket_dir = "/tmp/s", .durable = false});
  EXPECT_THAT(text, HasSubstr("\nfsync = off\nfull_page_writes = off\n"));
  EXPECT_THAT(text, HasSubstr("\nsynchronous_commit = on\n"));
}

// PostgreSQL's own limit is a minute, for which a stop would hang.
TEST(ConfigTest, ASilentConnectionHoldsUpAStopForSecondsOnly) {
  EXPECT_THAT(RenderConfig({}), ::testing::HasSubstr("\nauthentication_timeout = '5s'\n"));
}

TEST(ConfigTest, QuotesInAPathAreDoubled) {
  EXPECT_THAT(RenderConfig({.socket_dir = "/tmp/it's a \"dir\""}),
              HasSubstr("'\"/tmp/it''s a \"\"dir\"\"\"'\n"));
}

TEST(ConfigTest, TheAdministratorHasTheLastWord) {
  EXPECT_THAT(RenderConfig({}), ::testing::EndsWith("include_if_exists = 'custom.conf'\n"));
}

}  // namespace
}  // namespace penstock::pgserver
