#include "common/process/memory_cgroup.h"

#include <gtest/gtest.h>

namespace penstock::process {
namespace {

constexpr char kV1Mounts[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:4 - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

TEST(FindMemoryCgroupTest, PrefersTheV1ControllerWhereItIsMounted) {
  const CgroupPlace expected{CgroupVersion::kV1, "/sys/fs/cgroup/memory/a/b"};
  EXPECT_EQ(FindMemoryCgroup("4:memory:/a/b\n1:cpu:/\n0::/\n", kV1Mounts), expected);
}

TEST(FindMemoryCgroupTest, KnowsJointControllersAndTheRoot) {
  const CgroupPlace expected{CgroupVersion::kV1, "/cg"};
  EXPECT_EQ(FindMemoryCgroup("4:cpu,memory:/\n", "1 1 0:3 / /cg rw - cgroup x rw,cpu,memory\n"),
            expected);
}

TEST(FindMemoryCgroupTest, FindsV2) {
  const CgroupPlace expected{CgroupVersion::kV2, "/sys/fs/cgroup/user.slice/x"};
  EXPECT_EQ(FindMemoryCgroup("0::/user.slice/x\n",
                             "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"),
            expected);
}

TEST(FindMemoryCgroupTest, StripsWhatAContainerDoesNotSee) {
  const char mounts[] = "29 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
  const CgroupPlace inside{CgroupVersion::kV2, "/sys/fs/cgroup/x"};
  EXPECT_EQ(FindMemoryCgroup("0::/docker/abc/x\n", mounts), inside);
  EXPECT_FALSE(FindMemoryCgroup("0::/other\n", mounts).has_value());
}

TEST(FindMemoryCgroupTest, NothingMountedNothingFound) {
  EXPECT_FALSE(FindMemoryCgroup("", "").has_value());
  EXPECT_FALSE(FindMemoryCgroup("4:memory:/\n", "32 31 0:29 / /c rw - cgroup c rw,cpu\n"));
}

TEST(ParseKeyedCountTest, TakesTheExactKey) {
  const char events[] = "low 0\noom 7\noom_kill 3\noom_group_kill 9\n";
  EXPECT_EQ(ParseKeyedCount(events, "oom_kill"), 3);
  EXPECT_EQ(ParseKeyedCount(events, "oom"), 7);
  EXPECT_EQ(ParseKeyedCount(events, "kill"), 0);
  EXPECT_EQ(ParseKeyedCount("oom_kill_disable 1\noom_kill 2", "oom_kill"), 2);
  EXPECT_EQ(ParseKeyedCount("", "oom_kill"), 0);
}

}  // namespace
}  // namespace penstock::process
