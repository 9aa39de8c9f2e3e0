#include "common/process/spawn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/base/status.h"

namespace penstock::process {
namespace {

using ::testing::HasSubstr;

ProcessSpec Shell(std::string text) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", std::move(text)};
  return spec;
}

TEST(RunCommandTest, ReturnsOutputAndExitCode) {
  ProcessSpec spec = Shell("echo $GREETING; echo oops >&2; exit 4");
  spec.env = {"GREETING=no", "GREETING=hello"};
  const auto result = RunCommand(spec, absl::Minutes(1));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->output, "hello\noops\n");
  EXPECT_EQ(result->exit_code, 4);
  EXPECT_FALSE(result->timed_out);
}

TEST(RunCommandTest, DoesNotWaitForChildrenLeftBehind) {
  const auto result = RunCommand(Shell("sleep 1000 & echo $!"), absl::Minutes(1));
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->ok());
  kill(static_cast<pid_t>(std::stoi(result->output)), SIGKILL);
}

TEST(RunCommandTest, KillsAtItsTimeout) {
  const auto result = RunCommand(Shell("trap '' TERM; sleep 1000"), absl::Milliseconds(50));
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->timed_out);
  EXPECT_EQ(result->signal, SIGKILL);
}

TEST(RunCommandTest, KeepsOnlyTheFirstMegabyte) {
  const auto result = RunCommand(Shell("head -c 3000000 /dev/zero"), absl::Minutes(1));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->output.size(), 1U << 20);
  EXPECT_TRUE(result->ok());
}

TEST(RunCommandTest, NamesAMissingProgram) {
  ProcessSpec spec;
  spec.argv = {"penstock-no-such-program"};
  spec.env = {"PATH=/usr/bin:/bin"};
  const auto result = RunCommand(spec, absl::Minutes(1));
  EXPECT_TRUE(absl::IsNotFound(result.status()));
  EXPECT_THAT(Message(result.status()), HasSubstr("penstock-no-such-program"));
}

std::filesystem::path LogOfThisTest() {
  return std::filesystem::temp_directory_path() /
         ("penstock-spawn-test-" + std::to_string(getpid()));
}

void WaitUntilUp(const std::filesystem::path& log) {
  std::string line;
  while (line != "up") {
    std::ifstream in(log);
    std::getline(in, line);
  }
}

TEST(SpawnDaemonTest, RunsInItsOwnSessionWritesItsLogAndIsTerminated) {
  const std::filesystem::path log = LogOfThisTest();
  ProcessSpec spec = Shell("echo up; exec sleep 1000");
  spec.log_file = log.string();
  const auto id = SpawnDaemon(spec);
  ASSERT_TRUE(id.ok());
  EXPECT_TRUE(IsAlive(*id));
  EXPECT_EQ(getsid(id->pid), id->pid);
  WaitUntilUp(log);
  EXPECT_TRUE(Terminate(*id, absl::Minutes(1)).ok());
  EXPECT_FALSE(IsAlive(*id));
  EXPECT_EQ(kill(id->pid, 0), -1) << "not reaped";
  EXPECT_TRUE(Terminate(*id, absl::Minutes(1)).ok()) << "gone already is fine";
  std::filesystem::remove(log);
}

TEST(TerminateTest, KillsWhatIgnoresTheRequest) {
  const std::filesystem::path log = LogOfThisTest();
  ProcessSpec spec = Shell("trap '' TERM; echo up; exec sleep 1000");
  spec.log_file = log.string();
  const auto id = SpawnDaemon(spec);
  ASSERT_TRUE(id.ok());
  WaitUntilUp(log);
  EXPECT_TRUE(Terminate(*id, absl::Milliseconds(20)).ok());
  EXPECT_FALSE(IsAlive(*id));
  std::filesystem::remove(log);
}

TEST(FindUserTest, KnowsRootAndRefusesStrangers) {
  EXPECT_EQ(FindUser("root")->uid, 0U);
  EXPECT_TRUE(absl::IsNotFound(FindUser("penstock-nobody-at-all").status()));
}

}  // namespace
}  // namespace penstock::process
