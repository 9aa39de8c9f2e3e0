#include "worker/exec/sealed_bundle.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/base/status.h"
#include "common/testing/temp_dir.h"
#include "worker/guard/work_dir.h"

namespace penstock::worker::exec {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Error(const std::vector<BundleEntry>& files) {
  return std::string(Message(SealedBundle::Make(files).status()));
}

TEST(SealedBundleTest, RefusesPathsThatCouldLeaveTheirDirectory) {
  for (const char* path :
       {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", ".."}) {
    EXPECT_THAT(Error({{path, false, "x"}}), HasSubstr("clean relative path")) << path;
  }
  EXPECT_THAT(Error({{std::string_view("a\0b", 3), false, "x"}}), HasSubstr("clean"));
  EXPECT_THAT(Error({{std::string(256, 'x'), false, ""}}), HasSubstr("clean"));
  EXPECT_THAT(Error({{"a", false, "x"}, {"a", false, "y"}}), HasSubstr("comes twice"));
  EXPECT_THAT(Error({{"a/b", false, "x"}, {"a", false, "y"}}), HasSubstr("below another file"));
  EXPECT_EQ(Error({{"a/b", false, "x"}, {"a.b", true, "y"}, {"..c", false, ""}}), "");
}

TEST(SealedBundleTest, NobodyCanChangeIt) {
  const auto bundle = SealedBundle::Make({{"a", false, "content"}});
  ASSERT_TRUE(bundle.ok());
  const std::string link = "/proc/self/fd/" + std::to_string((*bundle)->fd());
  const process::UniqueFd again(open(link.c_str(), O_RDWR));
  EXPECT_EQ(pwrite((*bundle)->fd(), "x", 1, 0), -1);
  EXPECT_EQ(pwrite(again.get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(again.get(), 0), -1);
  EXPECT_EQ(mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, again.get(), 0), MAP_FAILED);
}

class UnpackTest : public ::testing::Test {
 protected:
  std::string Read(const fs::path& file) const {
    std::ifstream in(dir_ / file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  testing::TempDir temp_{"unpack"};
  const fs::path dir_ = temp_.path();
};

TEST_F(UnpackTest, WritesFilesWithTheirModes) {
  const std::string large(300'000, 'x');
  const auto bundle = SealedBundle::Make(
      {{"load.sh", true, "#!/bin/sh\n"}, {"sql/deep/a.sql", false, large}, {"empty", false, ""}});
  ASSERT_TRUE(bundle.ok());
  std::string failed;
  ASSERT_TRUE(guard::UnpackBundle((*bundle)->fd(), dir_, &failed)) << failed;
  EXPECT_EQ(Read("load.sh"), "#!/bin/sh\n");
  EXPECT_EQ(Read("sql/deep/a.sql"), large);
  EXPECT_EQ(fs::file_size(dir_ / "empty"), 0U);
  struct stat info {};
  ASSERT_EQ(stat((dir_ / "load.sh").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  ASSERT_EQ(stat((dir_ / "sql/deep/a.sql").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(UnpackTest, NeverWritesThroughALink) {
  fs::create_directory(dir_ / "outside");
  fs::create_directory(dir_ / "work");
  fs::create_directory_symlink(dir_ / "outside", dir_ / "work" / "sub");
  const auto bundle = SealedBundle::Make({{"sub/file", false, "x"}});
  std::string failed;
  EXPECT_FALSE(guard::UnpackBundle((*bundle)->fd(), dir_ / "work", &failed));
  EXPECT_EQ(failed, "sub/file");
  EXPECT_TRUE(fs::is_empty(dir_ / "outside"));
}

TEST_F(UnpackTest, RefusesAMalformedBundle) {
  const process::UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
  ASSERT_TRUE(process::WriteAll(fd.get(), std::string(20, '\xff')));
  std::string failed;
  EXPECT_FALSE(guard::UnpackBundle(fd.get(), dir_, &failed));
  EXPECT_EQ(errno, EBADMSG);
}

TEST(BundleCacheTest, LetsTheLeastUsedGo) {
  const auto make = [] { return *SealedBundle::Make({{"a", false, std::string(1000, 'x')}}); };
  BundleCache cache(2500);
  cache.Put("one", make());
  cache.Put("two", make());
  EXPECT_NE(cache.Find("one"), nullptr);
  cache.Put("three", make());
  EXPECT_EQ(cache.Find("two"), nullptr);
  EXPECT_NE(cache.Find("one"), nullptr);
  EXPECT_NE(cache.Find("three"), nullptr);
  EXPECT_LE(cache.bytes(), 2500U);
}

}  // namespace
}  // namespace penstock::worker::exec
