#include "common/process/process_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>

namespace penstock::process {
namespace {

using ::testing::UnorderedElementsAre;

ProcessStat Process(pid_t pid, pid_t parent) {
  ProcessStat stat;
  stat.pid = pid;
  stat.parent = parent;
  return stat;
}

std::vector<pid_t> Pids(const std::vector<ProcessStat>& processes) {
  std::vector<pid_t> pids(processes.size());
  std::transform(processes.begin(), processes.end(), pids.begin(),
                 [](const ProcessStat& process) { return process.pid; });
  return pids;
}

TEST(DescendantsTest, FollowsChildrenAndLeavesOutTheSpared) {
  const std::vector<ProcessStat> all = {Process(5, 4), Process(4, 2), Process(3, 2),
                                        Process(2, 1), Process(6, 1), Process(7, 3)};
  EXPECT_THAT(Pids(Descendants(2, {}, all)), UnorderedElementsAre(3, 4, 5, 7));
  EXPECT_THAT(Pids(Descendants(2, {3}, all)), UnorderedElementsAre(4, 5));
  EXPECT_THAT(Pids(Descendants(2, {5}, all)), UnorderedElementsAre(3, 4, 5, 7))
      << "only children of the root can be spared";
  EXPECT_TRUE(Descendants(9, {}, all).empty());
}

TEST(DescendantsTest, EndsOnAnImpossibleCycle) {
  EXPECT_FALSE(Descendants(1, {}, {Process(2, 3), Process(3, 2), Process(2, 1)}).empty());
}

// Runs `family` in a child of a subreaper of its own, waits until the family wrote a byte, then
// strikes until nothing is left of it. Returns whether the reaper saw all of it end.
bool StrikeFamily(const std::function<void(int ready_fd)>& family) {
  int ready[2];
  if (pipe(ready) != 0) return false;
  const pid_t reaper = fork();
  if (reaper == 0) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (fork() == 0) {
      family(ready[1]);
      _exit(127);
    }
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) _exit(1);
    while (true) {
      pid_t reaped = 0;
      while ((reaped = waitpid(-1, nullptr, WNOHANG)) > 0) {
      }
      if (reaped < 0) _exit(0);
      StrikeDescendants(getpid());
    }
  }
  close(ready[0]);
  close(ready[1]);
  int status = 0;
  waitpid(reaper, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool StrikeScript(const char* script) {
  return StrikeFamily([script](int ready_fd) {
    dup2(ready_fd, STDOUT_FILENO);
    setsid();
    execl("/bin/sh", "sh", "-c", script, nullptr);
  });
}

TEST(StrikeDescendantsTest, KillsEscapeesBySetsidAndDoubleFork) {
  EXPECT_TRUE(StrikeScript(
      "trap '' TERM HUP; (setsid sh -c 'sleep 1000 & env -i setsid sleep 1000 & wait' &) ; echo x; "
      "sleep 1000"));
}

TEST(StrikeDescendantsTest, KillsTheStopped) {
  EXPECT_TRUE(StrikeScript("sleep 1000 & kill -STOP $!; echo x; kill -STOP $$"));
}

TEST(StrikeDescendantsTest, CatchesAProcessThatForksAndExitsForEver) {
  EXPECT_TRUE(StrikeFamily([](int ready_fd) {
    (void)!write(ready_fd, "x", 1);
    while (true) {
      if (fork() > 0) _exit(0);
      setsid();
    }
  }));
}

TEST(StrikeDescendantsTest, CatchesAFamilyThatReplacesItsDead) {
  EXPECT_TRUE(StrikeFamily([](int ready_fd) {
    setsid();
    for (int generation = 0; generation < 5; ++generation) fork();
    (void)!write(ready_fd, "x", 1);
    while (true) {
      if (fork() > 0) waitpid(-1, nullptr, 0);
    }
  }));
}

TEST(FindByEnvironmentTest, MatchesWholeEntriesOnly) {
  const std::string value = "PENSTOCK_TREE_TEST=" + std::to_string(getpid());
  const pid_t child = fork();
  if (child == 0) {
    const char* const envp[] = {"A=1", value.c_str(), nullptr};
    execle("/bin/sleep", "sleep", "1000", nullptr, envp);
    _exit(127);
  }
  std::vector<PidIdentity> found;
  while (found.empty()) found = FindByEnvironment(value);  // until the exec has happened
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].pid, child);
  EXPECT_TRUE(FindByEnvironment(value.substr(0, value.size() - 1)).empty());
  EXPECT_TRUE(FindByEnvironment(value.substr(1)).empty());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace penstock::process
