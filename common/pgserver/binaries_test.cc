#include "common/pgserver/binaries.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace penstock::pgserver {
namespace {

TEST(BinariesTest, ReadsTheMajorVersion) {
  EXPECT_EQ(ParseMajor("postgres (PostgreSQL) 15.3 (Debian 15.3-1)\n"), 15);
  EXPECT_EQ(ParseMajor("postgres (PostgreSQL) 17beta2\n"), 17);
  EXPECT_EQ(ParseMajor("postgres (PostgreSQL) 9.6.24\n"), 9);
}

TEST(BinariesTest, ForeignTextHasNoVersion) {
  EXPECT_EQ(ParseMajor(""), std::nullopt);
  EXPECT_EQ(ParseMajor("postgres 15.3"), std::nullopt);
  EXPECT_EQ(ParseMajor("postgres (PostgreSQL) devel"), std::nullopt);
}

TEST(BinariesTest, AGivenDirectoryIsTheOnlyPlace) {
  EXPECT_EQ(CandidateDirs("/opt/pg/bin"), std::vector<std::filesystem::path>{"/opt/pg/bin"});
}

TEST(BinariesTest, TheVariableNamesADirectoryUnlessOneIsGiven) {
  ASSERT_EQ(setenv("PENSTOCK_PG_BIN", "/opt/pg14/bin", 1), 0);
  EXPECT_EQ(CandidateDirs(""), std::vector<std::filesystem::path>{"/opt/pg14/bin"});
  EXPECT_EQ(CandidateDirs("/opt/pg/bin"), std::vector<std::filesystem::path>{"/opt/pg/bin"});
  ASSERT_EQ(setenv("PENSTOCK_PG_BIN", "", 1), 0);
  EXPECT_NE(CandidateDirs(""), std::vector<std::filesystem::path>{""});
  unsetenv("PENSTOCK_PG_BIN");
}

TEST(BinariesTest, SaysInOneLineWhatToInstall) {
  const auto found = FindBinaries("/nonexistent/bin", std::nullopt);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().message(),
            "no PostgreSQL server (version 13 or later) found in /nonexistent/bin: "
            "apt-get install postgresql");
}

TEST(BinariesTest, NamesTheVersionThatAnExistingClusterNeeds) {
  const auto found = FindBinaries("/nonexistent/bin", 14);
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.status().message().find("apt-get install postgresql-14"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace penstock::pgserver
