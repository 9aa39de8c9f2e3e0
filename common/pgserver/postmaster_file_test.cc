#include "common/pgserver/postmaster_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace penstock::pgserver {
namespace {

constexpr std::string_view kReady =
    "4711\n/data\n1700000000\n5432\n/run/sock\n\n  1234567     98304\nready   \n";

TEST(PostmasterFileTest, ReadsAReadyServer) {
  const auto file = ParsePostmasterFile(kReady);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->pid, 4711);
  EXPECT_EQ(file->socket_dir, "/run/sock");
  EXPECT_EQ(file->status, "ready");
}

TEST(PostmasterFileTest, EveryPrefixIsReadWithoutInventingAStatus) {
  for (size_t size = 5; size + 9 < kReady.size(); ++size) {
    const auto file = ParsePostmasterFile(kReady.substr(0, size));
    ASSERT_TRUE(file) << size;
    EXPECT_EQ(file->status, "") << size;
  }
}

TEST(PostmasterFileTest, RefusesWhatIsNoProcess) {
  for (const char* text : {"", "\n", "abc\n", "-17\n", "0\n", "1\n", "12x\n", "99999999999999\n"}) {
    EXPECT_FALSE(ParsePostmasterFile(text)) << text;
  }
}

TEST(PostmasterFileTest, AnUnrelatedLiveProcessIsNotThePostmaster) {
  EXPECT_FALSE(IsPostmasterOf(getpid(), "/data"));
  EXPECT_FALSE(IsPostmasterOf(getpid(), std::filesystem::current_path()));
}

TEST(PostmasterFileTest, KillsNoProcessThatIsNotAServer) {
  EXPECT_EQ(KillStrays(std::filesystem::current_path()), 0);
}

}  // namespace
}  // namespace penstock::pgserver
