#include "common/process/remove_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/temp_dir.h"

namespace penstock::process {
namespace {

namespace fs = std::filesystem;

class RemoveTreeTest : public ::testing::Test {
 protected:
  RemoveTreeTest() { fs::create_directory(root_); }

  testing::TempDir temp_{"rm"};
  const fs::path base_ = temp_.path();
  const fs::path root_ = base_ / "root";
};

TEST_F(RemoveTreeTest, RemovesFilesAndDirectories) {
  fs::create_directories(root_ / "a" / "b" / "c");
  std::ofstream(root_ / "a" / "b" / "file") << "x";
  std::ofstream(root_ / "a" / ".hidden") << "x";
  EXPECT_TRUE(RemoveTree(root_.c_str()));
  EXPECT_FALSE(fs::exists(root_));
  EXPECT_TRUE(RemoveTree(root_.c_str())) << "nothing there is fine";
}

TEST_F(RemoveTreeTest, LeavesTheTargetsOfLinksAlone) {
  fs::create_directory(base_ / "precious");
  std::ofstream(base_ / "precious" / "file") << "x";
  fs::permissions(base_ / "precious", fs::perms::owner_read | fs::perms::owner_exec);
  fs::create_directory(root_ / "sub");
  fs::create_directory_symlink(base_ / "precious", root_ / "sub" / "link");
  fs::create_directory_symlink(base_ / "precious", root_ / "link");
  EXPECT_TRUE(RemoveTree(root_.c_str()));
  EXPECT_TRUE(fs::exists(base_ / "precious" / "file"));
  EXPECT_EQ(fs::status(base_ / "precious").permissions(),
            fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(base_ / "precious", fs::perms::owner_all);
  fs::create_directory_symlink(base_ / "precious", root_);
  EXPECT_FALSE(RemoveTree(root_.c_str())) << "the root itself must not be a link";
  EXPECT_TRUE(fs::exists(base_ / "precious" / "file"));
}

TEST_F(RemoveTreeTest, DepthAndMissingRightsDoNotStopIt) {
  int dir = open(root_.c_str(), O_RDONLY | O_DIRECTORY);
  for (int depth = 0; depth < 1200; ++depth) {
    ASSERT_EQ(mkdirat(dir, "deeper", 0700), 0);
    const int next = openat(dir, "deeper", O_RDONLY | O_DIRECTORY);
    if (depth % 100 == 0) fchmod(dir, 0);
    close(dir);
    dir = next;
  }
  close(dir);
  EXPECT_TRUE(RemoveTree(root_.c_str()));
  EXPECT_FALSE(fs::exists(root_));
}

TEST_F(RemoveTreeTest, ManyEntriesAreRemovedInSteps) {
  for (int i = 0; i < 5000; ++i) std::ofstream(root_ / std::to_string(i));
  EXPECT_TRUE(RemoveTree(root_.c_str()));
}

}  // namespace
}  // namespace penstock::process
