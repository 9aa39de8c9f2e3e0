// How attempts are ended: requests, deadlines, limits, and what they try to survive.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/process/memory_cgroup.h"
#include "common/process/pid_identity.h"
#include "worker/exec/engine_fixture.h"

namespace penstock::worker::exec {
namespace {

using process::PidIdentity;
using ::testing::HasSubstr;

class EngineKillTest : public ::testing::Test, protected EngineHarness {
 protected:
  // The processes whose pids the attempt printed, one per line, once there are `count` of them.
  std::vector<PidIdentity> PrintedProcesses(const AttemptKey& key, size_t count) {
    std::vector<PidIdentity> found;
    Eventually([&] {
      found.clear();
      std::istringstream lines(recorder_.Get(key).text[LogStream::kStdout]);
      for (pid_t pid = 0; lines >> pid;) {
        if (const auto id = process::Identify(pid)) found.push_back(*id);
      }
      return found.size() >= count;
    });
    EXPECT_EQ(found.size(), count);
    return found;
  }
};

// The parent of an attempt's first process, which is one of these.
pid_t RunnerOf(const std::vector<PidIdentity>& family) {
  for (const PidIdentity& member : family) {
    const pid_t parent = process::ReadProcessStat(member.pid)->parent;
    const std::string link = "/proc/" + std::to_string(parent) + "/exe";
    if (std::filesystem::read_symlink(link).filename() == "penstock-guardian") return parent;
  }
  return 0;
}

// Prints the pids of four processes: the shell, one in its group, one in a session of its own, and
// one that was double-forked into a session of its own with an empty environment.
constexpr char kFamily[] =
    "trap '' TERM HUP\n"
    "sleep 1000 & echo $!\n"
    "setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' &\n"
    "(env -i setsid /bin/sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' &)\n"
    "echo $$\n";

TEST_F(EngineKillTest, ARequestEndsTheWholeTree) {
  options_.kill_grace = absl::Milliseconds(50);
  const AttemptKey key = Launch(Shell(std::string(kFamily) + "while :; do sleep 1000; done"));
  const std::vector<PidIdentity> family = PrintedProcesses(key, 4);
  engine_->Kill({key, Cause::kCancelled, false});
  const Report report = WaitFor(key);
  EXPECT_EQ(report.cause, Cause::kCancelled);
  EXPECT_EQ(report.signal, SIGKILL) << "it ignores SIGTERM";
  for (const PidIdentity& member : family) EXPECT_FALSE(IsAlive(member));
}

TEST_F(EngineKillTest, WhatTheFirstProcessLeavesBehindEndsWithIt) {
  const AttemptKey key = Launch(Shell(std::string(kFamily) + kAwaitGo));
  const std::vector<PidIdentity> family = PrintedProcesses(key, 4);
  std::ofstream(engine_->guardian().life_dir() / "r0" / "go") << "\n";
  EXPECT_EQ(WaitFor(key).outcome, Outcome::kSuccess);
  for (const PidIdentity& member : family) EXPECT_FALSE(IsAlive(member));
}

TEST_F(EngineKillTest, ATaskMayEndByItselfWithinTheGrace) {
  options_.kill_grace = kPatience;
  const AttemptKey key =
      Launch(Shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"));
  ASSERT_TRUE(WaitForText(key, "up"));
  engine_->Kill({key, Cause::kRunTimeout, false});
  const Report report = WaitFor(key);
  EXPECT_EQ(report.cause, Cause::kRunTimeout);
  EXPECT_EQ(report.exit_code, 3);
  EXPECT_THAT(recorder_.Get(key).text.at(LogStream::kStdout), HasSubstr("bye"));
}

TEST_F(EngineKillTest, AStoppedTaskHearsTheRequest) {
  options_.kill_grace = kPatience;
  const AttemptKey key = Launch(Shell("echo up; kill -STOP $$; sleep 1000"));
  ASSERT_TRUE(WaitForText(key, "up"));
  engine_->Kill({key, Cause::kCancelled, false});
  EXPECT_EQ(WaitFor(key).signal, SIGTERM);
}

TEST_F(EngineKillTest, AtOnceMeansAtOnce) {
  options_.kill_grace = kPatience;
  const AttemptKey key = Launch(Shell("trap '' TERM; echo up; while :; do sleep 1000; done"));
  ASSERT_TRUE(WaitForText(key, "up"));
  engine_->Kill({key, Cause::kCancelled, false});
  engine_->Kill({key, Cause::kLeaseLost, true});
  const Report report = WaitFor(key);
  EXPECT_EQ(report.signal, SIGKILL);
  EXPECT_EQ(report.cause, Cause::kCancelled) << "the first cause stays";
}

TEST_F(EngineKillTest, TheTimeoutAsksThenKills) {
  options_.kill_grace = absl::Milliseconds(50);
  LaunchSpec polite = Shell("sleep 1000");
  polite.timeout = absl::Milliseconds(50);
  const Report asked = RunToEnd(std::move(polite));
  EXPECT_EQ(asked.cause, Cause::kTimeout);
  EXPECT_EQ(asked.signal, SIGTERM);
  LaunchSpec stubborn = Shell("trap '' TERM; while :; do sleep 1000; done");
  stubborn.timeout = absl::Milliseconds(50);
  const Report killed = RunToEnd(std::move(stubborn));
  EXPECT_EQ(killed.cause, Cause::kTimeout);
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_THAT(killed.error, HasSubstr("timed out after 50ms"));
}

TEST_F(EngineKillTest, ATimeoutThatDoesNotComeDoesNothing) {
  LaunchSpec spec = Shell("sleep 0.1");
  spec.timeout = kPatience;
  EXPECT_EQ(RunToEnd(std::move(spec)).outcome, Outcome::kSuccess);
}

TEST_F(EngineKillTest, TheLeaseEndsTheTreeWithoutGrace) {
  options_.kill_grace = kPatience;
  LaunchSpec spec = Shell(std::string(kFamily) + "while :; do sleep 1000; done");
  spec.lease_deadline = RealClock().Steady() + absl::Seconds(2);
  const SteadyTime deadline = spec.lease_deadline;
  const AttemptKey key = Launch(std::move(spec));
  const std::vector<PidIdentity> family = PrintedProcesses(key, 4);
  EXPECT_EQ(WaitFor(key).cause, Cause::kLeaseLost);
  EXPECT_GE(RealClock().Steady(), deadline);
  for (const PidIdentity& member : family) EXPECT_FALSE(IsAlive(member));
}

TEST_F(EngineKillTest, AnExtendedLeaseHoldsForItsDomainOnly) {
  LaunchSpec kept = Shell("sleep 0.5; echo done");
  LaunchSpec lost = Shell("sleep 1000");
  kept.domain = DomainId(7);
  lost.domain = DomainId(8);
  StartEngine();
  kept.lease_deadline = lost.lease_deadline = RealClock().Steady() + absl::Milliseconds(300);
  const AttemptKey kept_key = Launch(std::move(kept));
  engine_->ExtendLease(DomainId(7), RealClock().Steady() + absl::Hours(1));
  engine_->ExtendLease(DomainId(7), RealClock().Steady());  // earlier ones count for nothing
  const AttemptKey lost_key = Launch(std::move(lost));
  EXPECT_EQ(WaitFor(lost_key).cause, Cause::kLeaseLost);
  EXPECT_EQ(WaitFor(kept_key).outcome, Outcome::kSuccess);
}

TEST_F(EngineKillTest, AnAttemptWhoseLeaseHasPassedIsNotStarted) {
  LaunchSpec spec = Shell("echo ran");
  spec.lease_deadline = RealClock().Steady() - absl::Seconds(1);
  const AttemptKey key = Launch(std::move(spec));
  const Report report = WaitFor(key);
  EXPECT_EQ(report.cause, Cause::kLeaseLost);
  EXPECT_EQ(report.started_at_us, 0);
  EXPECT_TRUE(recorder_.Get(key).text.empty());
}

TEST_F(EngineKillTest, AForkingFamilyIsCaught) {
  options_.kill_grace = absl::ZeroDuration();
  const AttemptKey key = Launch(Shell(
      "spin() { while :; do (exit 0) & wait; done; }; spin & spin & (setsid sh -c 'while :; do sh "
      "-c : & wait; done' &); echo up; spin"));
  ASSERT_TRUE(WaitForText(key, "up"));
  engine_->Kill({key, Cause::kCancelled, true});
  EXPECT_EQ(WaitFor(key).cause, Cause::kCancelled);
}

TEST_F(EngineKillTest, ADeadRunnerTakesItsAttemptAlongAndNothingElse) {
  const AttemptKey bystander = Launch(Shell(std::string("echo up; ") + kAwaitGo));
  ASSERT_TRUE(WaitForText(bystander, "up"));
  const AttemptKey key = Launch(Shell(std::string(kFamily) + "while :; do sleep 1000; done"));
  const std::vector<PidIdentity> family = PrintedProcesses(key, 4);
  const pid_t runner = RunnerOf(family);
  ASSERT_GT(runner, 1);
  ASSERT_EQ(kill(runner, SIGKILL), 0);
  const Report report = WaitFor(key);
  EXPECT_EQ(report.cause, Cause::kWorkerLost);
  for (const PidIdentity& member : family) EXPECT_FALSE(IsAlive(member));
  EXPECT_EQ(RunShell("echo next").outcome, Outcome::kSuccess);
  std::ofstream(engine_->guardian().life_dir() / "r0" / "go") << "\n";
  EXPECT_EQ(WaitFor(bystander).outcome, Outcome::kSuccess);
}

TEST_F(EngineKillTest, ARunnerThatDiesIdleIsReplaced) {
  const AttemptKey key = Launch(Shell("echo $PPID"));
  WaitFor(key);
  const pid_t runner = std::stoi(recorder_.Get(key).text.at(LogStream::kStdout));
  const auto id = process::Identify(runner);
  ASSERT_TRUE(id.has_value());
  kill(runner, SIGKILL);
  ASSERT_TRUE(Eventually([&] { return !IsAlive(*id); }));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(RunShell(":").outcome, Outcome::kSuccess);
}

TEST_F(EngineKillTest, WithoutItsGuardianTheEngineEndsEverything) {
  const AttemptKey key = Launch(Shell(std::string(kFamily) + "while :; do sleep 1000; done"));
  const std::vector<PidIdentity> family = PrintedProcesses(key, 4);
  ASSERT_EQ(kill(engine_->guardian().pid(), SIGKILL), 0);
  EXPECT_EQ(WaitFor(key).cause, Cause::kWorkerLost);
  for (const PidIdentity& member : family) EXPECT_FALSE(IsAlive(member));
  thread_.reset();
  EXPECT_TRUE(absl::IsUnavailable(run_status_));
}

class EngineMemoryTest : public EngineKillTest {
 protected:
  EngineMemoryTest() { options_.guardian.use_cgroups = true; }
  bool HasCgroups() {
    if (engine_ == nullptr) StartEngine();
    return engine_->has_memory_cgroups();
  }
  // A shell that keeps 200 MB in a variable.
  LaunchSpec Greedy(int64_t memory_bytes) {
    LaunchSpec spec = Shell("x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}");
    spec.memory_bytes = memory_bytes;
    return spec;
  }
};

TEST_F(EngineMemoryTest, OutOfMemoryIsToldByTheKernel) {
  if (!HasCgroups()) GTEST_SKIP() << "no writable memory cgroup";
  const Report report = RunToEnd(Greedy(50 << 20));
  EXPECT_EQ(report.cause, Cause::kOutOfMemory);
  EXPECT_THAT(report.error, HasSubstr("limit of 50 MiB"));
  EXPECT_LT(report.peak_rss_kib, 60 * 1024);
  const Report next = RunShell("kill -KILL $$");
  EXPECT_EQ(next.cause, Cause::kSignal) << "an earlier kill is not charged to a later attempt";
  EXPECT_EQ(RunToEnd(Greedy(0)).outcome, Outcome::kSuccess) << "the limit was that attempt's";
}

TEST_F(EngineMemoryTest, LeavesNoCgroupsBehind) {
  if (!HasCgroups()) GTEST_SKIP() << "no writable memory cgroup";
  RunToEnd(Greedy(50 << 20));
  const std::string life = engine_->guardian().life();
  Stop();
  const auto own = process::OwnMemoryCgroup();
  ASSERT_TRUE(own.has_value());
  EXPECT_FALSE(std::filesystem::exists(own->path + "/penstock-" + life));
}

TEST_F(EngineMemoryTest, WithoutCgroupsThereIsNoGuess) {
  options_.guardian.use_cgroups = false;
  EXPECT_FALSE(HasCgroups());
  EXPECT_EQ(RunShell("kill -KILL $$").cause, Cause::kSignal);
}

}  // namespace
}  // namespace penstock::worker::exec
