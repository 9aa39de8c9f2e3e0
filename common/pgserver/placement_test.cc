#include "common/pgserver/placement.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/testing/temp_dir.h"

namespace penstock::pgserver {
namespace {

namespace fs = std::filesystem;

class PlacementTest : public ::testing::Test {
 protected:
  ~PlacementTest() override {
    if (!socket_dir_.empty()) fs::remove_all(socket_dir_);
  }
  absl::StatusOr<Placement> PlaceAt(const fs::path& dir) {
    auto placement = Place(dir, home_ / "elsewhere");
    if (placement.ok()) socket_dir_ = placement->socket_dir;
    return placement;
  }

  // Not in $TMPDIR: a long path would not leave room for a socket's name.
  const testing::TempDir temp_{"placement", "/tmp"};
  const fs::path home_ = temp_.path();
  fs::path socket_dir_;
};

uid_t OwnerOf(const fs::path& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_uid : static_cast<uid_t>(-1);
}

TEST_F(PlacementTest, PutsEverythingBelowTheDirectory) {
  const auto placement = PlaceAt(home_ / "pg");
  ASSERT_TRUE(placement.ok()) << placement.status();
  EXPECT_FALSE(placement->relocated);
  EXPECT_EQ(placement->data_dir, home_ / "pg/data");
  EXPECT_EQ(placement->socket_dir, home_ / "pg/socket");
  EXPECT_EQ(fs::status(placement->socket_dir).permissions(), fs::perms::owner_all);
}

TEST_F(PlacementTest, RootHandsTheDirectoryToAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto placement = PlaceAt(home_ / "pg");
  ASSERT_TRUE(placement.ok()) << placement.status();
  ASSERT_TRUE(placement->user);
  EXPECT_NE(placement->user->uid, 0U);
  EXPECT_EQ(OwnerOf(placement->root), placement->user->uid);
  EXPECT_EQ(OwnerOf(placement->socket_dir), placement->user->uid);
}

TEST_F(PlacementTest, ALongPathGetsAShortSocketDirectory) {
  const auto placement = PlaceAt(home_ / std::string(100, 'x'));
  ASSERT_TRUE(placement.ok()) << placement.status();
  EXPECT_EQ(placement->socket_dir, ShortSocketDir(placement->root));
  EXPECT_TRUE(SocketDirUsable(placement->socket_dir));
}

TEST_F(PlacementTest, ASquattedSocketDirectoryIsRefused) {
  const fs::path dir = home_ / std::string(100, 'y');
  fs::create_directory(dir);
  const fs::path trap = ShortSocketDir(fs::canonical(dir));
  fs::create_symlink(home_, trap);
  EXPECT_FALSE(PlaceAt(dir).ok());
  fs::remove(trap);
}

TEST_F(PlacementTest, RootMovesTheClusterOutOfALockedDirectoryAndFindsItAgain) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  fs::create_directory(home_ / "locked");
  chmod((home_ / "locked").c_str(), 0700);
  const auto first = PlaceAt(home_ / "locked/pg");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->relocated);
  EXPECT_EQ(first->root.parent_path(), home_ / "elsewhere");
  const auto second = PlaceAt(home_ / "locked/pg");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->root, first->root);
}

TEST_F(PlacementTest, ACopiedPointerIsRefusedButAMovedOneIsFollowed) {
  fs::create_directories(home_ / "target");
  fs::create_directories(home_ / "a");
  std::ofstream(home_ / "target/origin") << (home_ / "a").string() << '\n';
  std::ofstream(home_ / "a/relocated") << (home_ / "target").string() << '\n';
  ASSERT_TRUE(PlaceAt(home_ / "a").ok());
  fs::copy(home_ / "a", home_ / "copy");
  EXPECT_FALSE(PlaceAt(home_ / "copy").ok());
  fs::rename(home_ / "a", home_ / "moved");
  const auto moved = PlaceAt(home_ / "moved");
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->root, home_ / "target");
}

TEST(SocketDirUsableTest, LimitsLengthAndCharacters) {
  EXPECT_TRUE(SocketDirUsable("/" + std::string(86, 'a')));
  EXPECT_FALSE(SocketDirUsable("/" + std::string(90, 'a')));
  for (const char* path : {"/a,b", "/a b", "/a'b", "/a\\b"}) EXPECT_FALSE(SocketDirUsable(path));
}

}  // namespace
}  // namespace penstock::pgserver
