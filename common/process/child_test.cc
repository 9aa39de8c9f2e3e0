#include "common/process/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "common/process/unique_fd.h"

namespace penstock::process {
namespace {

struct Ended {
  ChildStart start;
  int status = -1;
  std::string output;
};

// Starts the plan with its output in a pipe, and waits for its end.
Ended RunPlan(std::vector<const char*> argv, ChildPlan plan = {},
              std::vector<const char*> envp = {"PATH=/usr/bin:/bin"}) {
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  plan.argv = argv.data();
  plan.envp = envp.data();
  plan.stdout_fd = writer.get();
  Ended run;
  run.start = StartChild(plan);
  writer.Reset();
  if (run.start.stage != ChildStage::kStarted) return run;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while ((got = read(reader.get(), buffer.data(), buffer.size())) > 0) {
    run.output.append(buffer.data(), static_cast<size_t>(got));
  }
  waitpid(run.start.pid, &run.status, 0);
  return run;
}

TEST(StartChildTest, FindsProgramsInThePathOfTheChild) {
  const Ended run = RunPlan({"sh", "-c", "echo hello; exit 3"});
  EXPECT_EQ(run.output, "hello\n");
  EXPECT_EQ(WEXITSTATUS(run.status), 3);
  const Ended lost = RunPlan({"sh", "-c", ":"}, {}, {"PATH=/nowhere:/etc/passwd"});
  EXPECT_EQ(lost.start.stage, ChildStage::kExec);
  EXPECT_EQ(lost.start.error_number, ENOENT);
}

TEST(StartChildTest, NamesTheStepThatFailed) {
  const Ended run = RunPlan({"/nonexistent/program"});
  EXPECT_EQ(run.start.stage, ChildStage::kExec);
  EXPECT_EQ(run.start.error_number, ENOENT);
  EXPECT_EQ(RunPlan({"/etc/passwd"}).start.error_number, EACCES);
  EXPECT_EQ(RunPlan({""}).start.error_number, ENOENT);
  ChildPlan plan;
  plan.work_dir = "/nonexistent";
  EXPECT_EQ(RunPlan({"true"}, plan).start.stage, ChildStage::kWorkDir);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child that failed was not reaped";
}

TEST(StartChildTest, HandsOnNoDescriptors) {
  const UniqueFd leaky(open("/etc/passwd", O_RDONLY));  // without O_CLOEXEC on purpose
  const Ended run = RunPlan({"sh", "-c", "ls /proc/self/fd | wc -l"});
  EXPECT_EQ(run.output, "4\n");  // 0, 1, 2 and the directory that ls reads
}

TEST(StartChildTest, PassesOneDescriptorAsThree) {
  const UniqueFd file(open("/proc/sys/kernel/ostype", O_RDONLY | O_CLOEXEC));
  ChildPlan plan;
  plan.pass_fd = file.get();
  EXPECT_EQ(RunPlan({"sh", "-c", "cat <&3"}, plan).output, "Linux\n");
}

TEST(StartChildTest, ResetsSignalsAndMask) {
  signal(SIGUSR2, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  const Ended run = RunPlan({"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"});
  pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  signal(SIGUSR2, SIG_DFL);
  EXPECT_EQ(run.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(StartChildTest, LeadsItsOwnSession) {
  ChildPlan plan;
  plan.new_session = true;
  const Ended run = RunPlan({"sh", "-c", "cut -d' ' -f6 /proc/$$/stat; echo $$"}, plan);
  const std::string pid = std::to_string(run.start.pid);
  EXPECT_EQ(run.output, pid + "\n" + pid + "\n");
}

TEST(StartChildTest, RaisesOnlyTheChildsOomScore) {
  ChildPlan plan;
  plan.oom_score_adjust = 507;
  EXPECT_EQ(RunPlan({"cat", "/proc/self/oom_score_adj"}, plan).output, "507\n");
  EXPECT_NE(RunPlan({"cat", "/proc/self/oom_score_adj"}).output, "507\n");
}

TEST(StartChildTest, ChangesUserAndDropsGroups) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  ChildPlan plan;
  plan.change_user = true;
  plan.uid = 65534;
  plan.gid = 65534;
  EXPECT_EQ(RunPlan({"sh", "-c", "id -u; id -g; id -G"}, plan).output, "65534\n65534\n65534\n");
}

TEST(StartChildTest, LeavesTheCallersDescriptorsAndSignalsAlone) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  for (int i = 0; i < 50; ++i) RunPlan({"true"});
  struct sigaction now {};
  sigaction(SIGUSR1, nullptr, &now);
  EXPECT_EQ(now.sa_handler, action.sa_handler);
  signal(SIGUSR1, SIG_DFL);
  const UniqueFd probe(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_LT(probe.get(), 20) << "descriptors leak";
}

}  // namespace
}  // namespace penstock::process
