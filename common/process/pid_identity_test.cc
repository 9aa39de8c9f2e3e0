#include "common/process/pid_identity.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace penstock::process {
namespace {

TEST(ParseProcessStatTest, ReadsFieldsBehindAHostileCommandName) {
  const auto stat = ParseProcessStat(
      "42 (a) Z 1 (b\n) S 7 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 2 3\n");
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->pid, 42);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 7);
  EXPECT_EQ(stat->group, 42);
  EXPECT_EQ(stat->session, 40);
  EXPECT_EQ(stat->start_ticks, 98765U);
}

TEST(ParseProcessStatTest, RefusesWhatIsNotAStatLine) {
  EXPECT_FALSE(ParseProcessStat("").has_value());
  EXPECT_FALSE(ParseProcessStat("12 (name").has_value());
  EXPECT_FALSE(ParseProcessStat("12 (name) S 1 2").has_value());
  EXPECT_FALSE(ParseProcessStat("x (name) S 1 2 3").has_value());
}

TEST(PidIdentityTest, TextFormGoesThereAndBack) {
  const PidIdentity id{123, 456789, 0xdeadbeef};
  EXPECT_EQ(ToString(id), "123-456789-deadbeef");
  EXPECT_EQ(ParsePidIdentity(ToString(id)), id);
  for (const char* bad : {"", "1", "1-2", "1-2-zz", "-1-2-3", "0-1-2", "1-2-3-4", "a-2-3"}) {
    EXPECT_FALSE(ParsePidIdentity(bad).has_value()) << bad;
  }
}

TEST(PidIdentityTest, ARecycledPidIsNotTheSameProcess) {
  const auto self = Identify(getpid());
  ASSERT_TRUE(self.has_value());
  EXPECT_TRUE(IsAlive(*self));
  PidIdentity earlier = *self;
  earlier.start_ticks -= 1;
  EXPECT_FALSE(IsAlive(earlier));
  EXPECT_FALSE(SendSignal(earlier, SIGKILL));  // else this test would end here
  PidIdentity other_boot = *self;
  other_boot.boot ^= 1;
  EXPECT_FALSE(SendSignal(other_boot, SIGKILL));
}

TEST(PidIdentityTest, AZombieIsDead) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(Identify(child).has_value());
  EXPECT_EQ(ReadProcessStat(child)->state, 'Z');
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(ReadProcessStat(child).has_value());
}

}  // namespace
}  // namespace penstock::process
