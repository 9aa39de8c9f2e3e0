#include "client/lib/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "client/lib/errors.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace penstock::client {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BundleTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(root_); }

  void Write(const std::string& path, const std::string& content, bool executable = false) {
    fs::create_directories((fs::path(root_) / path).parent_path());
    std::ofstream(fs::path(root_) / path) << content;
    chmod((root_ + "/" + path).c_str(), executable ? 0755 : 0644);
  }

  std::vector<std::string> Paths(const std::vector<std::string>& patterns) {
    const auto bundle = PackBundle(root_, patterns);
    EXPECT_TRUE(bundle.ok()) << bundle.status();
    std::vector<std::string> paths;
    if (bundle.ok()) {
      for (const auto& file : bundle->files()) paths.push_back(file.path());
    }
    return paths;
  }

  std::string Error(const std::vector<std::string>& patterns, const BundleLimits& limits = {}) {
    const auto bundle = PackBundle(root_, patterns, limits);
    EXPECT_EQ(ExitCodeOf(bundle.status()), ExitCode::kUsage);
    return std::string(bundle.status().message());
  }

  const testing::TempDir temp_{"bundle"};
  const std::string outside_ = temp_.path().string();
  const std::string root_ = outside_ + "/dag";
};

TEST_F(BundleTest, PacksContentAndExecutableBitSortedByPath) {
  Write("run.sh", "#!/bin/sh\n", true);
  Write("a/data.txt", std::string("x\0y", 3));
  const auto bundle = PackBundle(root_, {"*.sh", "a/*"});
  ASSERT_TRUE(bundle.ok());
  ASSERT_EQ(bundle->files_size(), 2);
  EXPECT_EQ(bundle->files(0).path(), "a/data.txt");
  EXPECT_EQ(bundle->files(0).content(), std::string("x\0y", 3));
  EXPECT_FALSE(bundle->files(0).executable());
  EXPECT_TRUE(bundle->files(1).executable());
}

TEST_F(BundleTest, IsTheSameWhateverTheOrderOfPatterns) {
  for (const char* name : {"b", "a", "c/d", "c/a"}) Write(name, name);
  const auto one = PackBundle(root_, {"**", "a"});
  const auto two = PackBundle(root_, {"a", "c", "b"});
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->SerializeAsString(), two->SerializeAsString());
}

TEST_F(BundleTest, MatchesAnyDepth) {
  for (const char* name :
       {"x.sql", "a/x.sql", "a/b/x.sql", "a/b/x.txt", ".git/x.sql", "a/.x.sql"}) {
    Write(name, "");
  }
  EXPECT_THAT(Paths({"**/*.sql"}), ElementsAre("a/b/x.sql", "a/x.sql", "x.sql"));
  EXPECT_THAT(Paths({"a/**"}), ElementsAre("a/b/x.sql", "a/b/x.txt", "a/x.sql"));
  EXPECT_THAT(Paths({"**/b/*"}), ElementsAre("a/b/x.sql", "a/b/x.txt"));
  EXPECT_THAT(Paths({".git/*"}), ElementsAre(".git/x.sql"));
}

TEST_F(BundleTest, TakesAllOfADirectoryThatIsNamed) {
  Write("scripts/one.sh", "");
  Write("scripts/deep/two.sh", "");
  EXPECT_THAT(Paths({"scripts"}), ElementsAre("scripts/deep/two.sh", "scripts/one.sh"));
  EXPECT_THAT(Paths({"scripts/"}), ElementsAre("scripts/deep/two.sh", "scripts/one.sh"));
}

TEST_F(BundleTest, RefusesAPatternThatMatchesNothing) {
  Write("a.sh", "");
  EXPECT_THAT(Error({"*.py"}), HasSubstr("\"*.py\" matches nothing"));
  EXPECT_THAT(Error({"missing.sh"}), HasSubstr("\"missing.sh\" matches nothing"));
  EXPECT_THAT(Error({"a.sh/b"}), HasSubstr("matches nothing"));
}

TEST_F(BundleTest, PacksLinksInsideTheFolderAsFiles) {
  Write("real.sh", "content", true);
  fs::create_symlink("real.sh", root_ + "/link.sh");
  const auto bundle = PackBundle(root_, {"link.sh"});
  ASSERT_TRUE(bundle.ok());
  EXPECT_EQ(bundle->files(0).content(), "content");
  EXPECT_TRUE(bundle->files(0).executable());
}

TEST_F(BundleTest, RefusesLinksThatLeadOut) {
  std::ofstream(outside_ + "/secret") << "s";
  fs::create_symlink("../secret", root_ + "/link");
  EXPECT_THAT(Error({"link"}), HasSubstr("leads out of"));
  EXPECT_THAT(Error({"*"}), HasSubstr("leads out of"));
}

TEST_F(BundleTest, IsNotFooledByASiblingWithTheSameBeginning) {
  fs::create_directory(outside_ + "/dag-private");
  std::ofstream(outside_ + "/dag-private/secret") << "s";
  fs::create_symlink("../dag-private/secret", root_ + "/link");
  EXPECT_THAT(Error({"link"}), HasSubstr("leads out of"));
}

TEST_F(BundleTest, RefusesDanglingLinksAndOddFiles) {
  fs::create_symlink("nowhere", root_ + "/dangling");
  EXPECT_THAT(Error({"dangling"}), HasSubstr("leads nowhere"));
  ASSERT_EQ(mkfifo((root_ + "/pipe").c_str(), 0600), 0);
  EXPECT_THAT(Error({"pipe"}), HasSubstr("not a regular file"));
}

TEST_F(BundleTest, DoesNotFollowLinksToDirectories) {
  Write("real/a.sh", "");
  fs::create_directory_symlink("real", root_ + "/linked");
  EXPECT_THAT(Error({"linked/a.sh"}), HasSubstr("link to a directory"));
  EXPECT_THAT(Paths({"**/*.sh"}), ElementsAre("real/a.sh"));
}

TEST_F(BundleTest, SurvivesALinkThatLeadsInACircle) {
  Write("a/x", "");
  fs::create_directory_symlink("..", root_ + "/a/up");
  EXPECT_THAT(Paths({"**/x"}), ElementsAre("a/x"));
}

TEST_F(BundleTest, KeepsItsLimits) {
  Write("big", std::string(600, 'x'));
  Write("small", std::string(500, 'x'));
  BundleLimits limits;
  limits.max_bytes = 1100;
  EXPECT_TRUE(PackBundle(root_, {"*"}, limits).ok());
  limits.max_bytes = 1099;
  EXPECT_THAT(Error({"*"}, limits), HasSubstr("largest: big"));
  limits = {};
  limits.max_files = 1;
  EXPECT_THAT(Error({"*"}, limits), HasSubstr("more than 1 files"));
  limits = {};
  limits.max_entries = 1;
  EXPECT_THAT(Error({"*"}, limits), HasSubstr("more than 1 directory entries"));
}

TEST_F(BundleTest, RefusesNamesThatAreNotUtf8) {
  Write("bad\xff", "");
  EXPECT_THAT(Error({"*"}), HasSubstr("not valid UTF-8"));
}

TEST_F(BundleTest, IsEmptyWithoutPatterns) { EXPECT_TRUE(Paths({}).empty()); }

}  // namespace
}  // namespace penstock::client
