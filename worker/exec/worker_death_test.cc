// What becomes of attempts when the worker's main process, its guardian, or both are killed or
// stopped: nothing of an attempt may outlive its lease, whoever is left to enforce it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/process/pid_identity.h"
#include "common/process/process_tree.h"
#include "common/process/spawn.h"
#include "worker/exec/engine_fixture.h"

namespace penstock::worker::exec {
namespace {

namespace fs = std::filesystem;
using process::PidIdentity;

class WorkerDeathTest : public ::testing::Test {
 protected:
  ~WorkerDeathTest() override {
    for (const PidIdentity& id : guards_) SendSignal(id, SIGKILL);
    for (const PidIdentity& id : family_) SendSignal(id, SIGKILL);
    if (main_) {
      SendSignal(*main_, SIGKILL);
      waitpid(main_->pid, nullptr, 0);
    }
  }

  std::string File(const char* name) const { return (dir_.path() / name).string(); }

  // Starts a worker whose attempt is a family of four that ignores SIGTERM: in the shell's group,
  // in a session of its own, and double-forked with an empty environment. Waits for all of them.
  void StartWorker(absl::Duration lease) {
    const std::string pids = File("pids");
    const std::string stubborn = "trap \"\" TERM; echo $$ >> " + pids + "; exec sleep 1000";
    process::ProcessSpec spec;
    const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
    spec.argv = {(here / "worker_probe").string(),
                 File("work"),
                 GuardianProgram(),
                 std::to_string(absl::ToInt64Milliseconds(lease)),
                 File("last_words"),
                 "sh -c '" + stubborn + "' & setsid sh -c '" + stubborn +
                     "' & (env -i setsid sh -c '" + stubborn + "' &) ; " + stubborn};
    spec.log_file = File("log");
    spec.death_signal = SIGKILL;  // nothing is left of a test that is itself killed
    const auto id = process::SpawnDaemon(spec);
    ASSERT_TRUE(id.ok()) << id.status();
    main_ = *id;
    ASSERT_TRUE(Eventually([&] { return ReadFamily(); }));
    guards_ = Guards();
    ASSERT_GE(guards_.size(), 2U);
    ASSERT_EQ(process::ReadProcessStat(guards_.front().pid)->parent, main_->pid);
  }

  bool ReadFamily() {
    family_.clear();
    std::ifstream in(File("pids"));
    for (pid_t pid = 0; in >> pid;) {
      if (const auto id = process::Identify(pid)) family_.push_back(*id);
    }
    return family_.size() == 4;
  }

  // The guardian, then its runners: all of the worker's tree that runs the guardian's program.
  std::vector<PidIdentity> Guards() const {
    std::vector<PidIdentity> guards;
    for (const process::ProcessStat& process :
         process::Descendants(main_->pid, {}, process::ListProcesses())) {
      std::error_code ignored;
      const fs::path program =
          fs::read_symlink("/proc/" + std::to_string(process.pid) + "/exe", ignored);
      const auto id = process::Identify(process.pid);
      if (id && program.filename() == "penstock-guardian") guards.push_back(*id);
    }
    return guards;
  }

  bool FamilyIsDead() const {
    return std::none_of(family_.begin(), family_.end(), process::IsAlive);
  }
  bool FamilyIsComplete() const {
    return std::all_of(family_.begin(), family_.end(), process::IsAlive);
  }

  // Exit code of the worker.
  int WaitForWorker() {
    int status = 0;
    waitpid(main_->pid, &status, 0);
    main_.reset();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  testing::TempDir dir_{"exec"};
  std::optional<PidIdentity> main_;
  std::vector<PidIdentity> family_;
  std::vector<PidIdentity> guards_;
};

TEST_F(WorkerDeathTest, AKilledMainProcessTakesItsAttemptsAlong) {
  StartWorker(absl::Hours(1));
  ASSERT_TRUE(SendSignal(*main_, SIGKILL));
  EXPECT_TRUE(Eventually([&] { return FamilyIsDead(); }));
  EXPECT_TRUE(Eventually([&] { return fs::exists(File("last_words")); }))
      << "the guardian did not tell";
  EXPECT_TRUE(fs::is_empty(File("work"))) << "directories are left";
  for (const PidIdentity& guard : guards_) {
    EXPECT_TRUE(Eventually([&] { return !IsAlive(guard); }));
  }
}

TEST_F(WorkerDeathTest, LastWordsComeOnlyAfterTheLastAttemptIsDead) {
  StartWorker(absl::Hours(1));
  ASSERT_TRUE(SendSignal(*main_, SIGKILL));
  ASSERT_TRUE(Eventually([&] { return fs::exists(File("last_words")); }));
  EXPECT_TRUE(FamilyIsDead());
}

TEST_F(WorkerDeathTest, AStoppedMainProcessLosesItsAttemptsAtTheDeadline) {
  constexpr absl::Duration kLease = absl::Seconds(3);
  StartWorker(kLease);
  const SteadyTime seen = RealClock().Steady();
  ASSERT_TRUE(Eventually([&] { return RealClock().Steady() > seen + kLease * 1.2; }));
  EXPECT_TRUE(FamilyIsComplete()) << "the lease is extended while the worker works";
  ASSERT_TRUE(SendSignal(*main_, SIGSTOP));
  const SteadyTime stopped = RealClock().Steady();
  EXPECT_TRUE(Eventually([&] { return FamilyIsDead(); }));
  EXPECT_LT(RealClock().Steady() - stopped, kLease + absl::Seconds(2));
  EXPECT_FALSE(fs::exists(File("last_words"))) << "it is not dead";
  ASSERT_TRUE(SendSignal(*main_, SIGCONT));
  EXPECT_EQ(WaitForWorker(), static_cast<int>(Cause::kLeaseLost));
}

TEST_F(WorkerDeathTest, AKilledGuardianTakesTheAttemptsAlong) {
  StartWorker(absl::Hours(1));
  ASSERT_TRUE(SendSignal(guards_.front(), SIGKILL));
  EXPECT_TRUE(Eventually([&] { return FamilyIsDead(); }));
  EXPECT_EQ(WaitForWorker(), static_cast<int>(Cause::kWorkerLost));
}

TEST_F(WorkerDeathTest, AKilledGuardianTakesTheAttemptsAlongEvenIfMainIsStopped) {
  StartWorker(absl::Hours(1));
  ASSERT_TRUE(SendSignal(*main_, SIGSTOP));
  ASSERT_TRUE(SendSignal(guards_.front(), SIGKILL));
  EXPECT_TRUE(Eventually([&] { return FamilyIsDead(); }));
}

TEST_F(WorkerDeathTest, WhenAllGuardsDieWithMainTheNextWorkerEndsTheRest) {
  StartWorker(absl::Hours(1));
  for (const PidIdentity& guard : guards_) SendSignal(guard, SIGSTOP);  // so that none can act
  SendSignal(*main_, SIGKILL);
  for (const PidIdentity& guard : guards_) SendSignal(guard, SIGKILL);
  waitpid(main_->pid, nullptr, 0);
  main_.reset();
  ASSERT_TRUE(Eventually([&] { return !FamilyIsComplete(); })) << "the first process must die";
  for (const PidIdentity& guard : guards_) {
    ASSERT_TRUE(Eventually([&] { return !IsAlive(guard); }));
  }
  Engine::Options options;
  options.guardian.root = File("work");
  options.guardian.program = GuardianProgram();
  options.guardian.use_cgroups = false;
  Recorder recorder;
  const auto engine = Engine::Start(options, RealClock(), recorder);
  ASSERT_TRUE(engine.ok()) << engine.status();
  // Whoever emptied its environment and had all its guards killed is beyond reach: one of four.
  int alive = 0;
  for (const PidIdentity& member : family_) alive += IsAlive(member) ? 1 : 0;
  EXPECT_LE(alive, 1);
  EXPECT_EQ((*engine)->guardian().dead_sessions(), std::vector<SessionId>{SessionId(77)})
      << "it speaks for the dead";
  EXPECT_TRUE(Eventually([&] {  // only the present life is left
    return std::distance(fs::directory_iterator(File("work")), fs::directory_iterator()) == 1;
  }));
}

// Two workers on one machine, of the same name perhaps: neither is proof of the other's death.
TEST_F(WorkerDeathTest, AWorkerSpeaksForNobodyWhoLives) {
  StartWorker(absl::Hours(1));
  Engine::Options options;
  options.guardian.root = File("work");
  options.guardian.program = GuardianProgram();
  options.guardian.use_cgroups = false;
  Recorder recorder;
  {
    const auto beside = Engine::Start(options, RealClock(), recorder);
    ASSERT_TRUE(beside.ok()) << beside.status();
    EXPECT_TRUE((*beside)->guardian().dead_sessions().empty());
  }
  // Main is dead, its guards are not: they have not killed the attempts yet, and will report.
  for (const PidIdentity& guard : guards_) SendSignal(guard, SIGSTOP);
  SendSignal(*main_, SIGKILL);
  waitpid(main_->pid, nullptr, 0);
  main_.reset();
  {
    const auto next = Engine::Start(options, RealClock(), recorder);
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_TRUE((*next)->guardian().dead_sessions().empty());
  }
  for (const PidIdentity& guard : guards_) SendSignal(guard, SIGKILL);
}

}  // namespace
}  // namespace penstock::worker::exec
