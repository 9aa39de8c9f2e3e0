#include "client/standalone/standalone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "client/standalone/http_probe.h"
#include "client/standalone/instance_lock.h"
#include "common/process/pid_identity.h"
#include "common/testing/temp_dir.h"

namespace penstock::client {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Polls; the bound only matters when something is broken.
bool Eventually(const std::function<bool()>& done) {
  for (int i = 0; i < 3000; ++i) {
    if (done()) return true;
    usleep(10'000);
  }
  return false;
}

bool Alive(pid_t pid) { return process::Identify(pid).has_value(); }

// A cluster of fake nodes and a real PostgreSQL, below a directory of its own.
class StandaloneTest : public ::testing::Test {
 protected:
  StandaloneTest() {
    fs::create_directory(home_ / "bin");
    const fs::path fake = fs::read_symlink("/proc/self/exe").parent_path() / "fake-node";
    fs::create_symlink(fake, home_ / "bin/penstock-scheduler");
    fs::create_symlink(fake, home_ / "bin/penstock-worker");
    setenv("FAKE_NODE_LOG", (home_ / "ended").c_str(), 1);
    unsetenv("FAKE_NODE");
    options_.data_dir = home_ / "data";
    options_.bin_dir = home_ / "bin";
    options_.port = 0;
    options_.detach = true;
    options_.durable = false;
    options_.start_timeout = absl::Seconds(60);
  }
  ~StandaloneTest() override {
    unsetenv("FAKE_NODE");
    if (fs::exists(options_.data_dir)) {
      EXPECT_EQ(Stop(), 0) << err_.str();
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  int Launch() { return RunStandalone(options_, out_, err_); }
  int Stop() { return StopStandalone(options_, out_, err_); }
  nlohmann::json State() const {
    std::ifstream in(home_ / "data/standalone.json");
    return in ? nlohmann::json::parse(in) : nlohmann::json();
  }
  // The only pid of a role, or 0.
  pid_t Pid(const char* role) const {
    const auto state = State();
    return state.is_null() || state["pids"][role].empty() ? 0 : state["pids"][role][0].get<pid_t>();
  }
  std::vector<pid_t> AllPids() const {
    std::vector<pid_t> pids;
    const auto state = State();
    for (const auto& role : state["pids"]) {
      for (const auto& pid : role) pids.push_back(pid.get<pid_t>());
    }
    return pids;
  }
  std::vector<std::string> Ended() const {
    std::ifstream in(home_ / "ended");
    std::vector<std::string> names;
    for (std::string name; in >> name;) names.push_back(name);
    return names;
  }

  // Not in $TMPDIR: a long path would not leave room for a socket's name.
  const testing::TempDir temp_{"standalone", "/tmp"};
  const fs::path home_ = temp_.path();
  StandaloneOptions options_;
  std::ostringstream out_, err_;
};

int PortOf(const std::string& address) { return std::stoi(address.substr(address.find(':') + 1)); }

TEST_F(StandaloneTest, StartsReportsAndStopsEverything) {
  options_.schedulers = 2;
  ASSERT_EQ(Launch(), 0) << err_.str();
  const auto state = State();
  ASSERT_EQ(state["schedulers"].size(), 2U);
  EXPECT_EQ(state["workers"][0]["guardians"].size(), 1U);
  const std::string http = state["schedulers"][1]["http"];
  EXPECT_TRUE(HttpOk(PortOf(http), "/readyz", absl::Seconds(5)));
  const std::vector<pid_t> pids = AllPids();
  EXPECT_GE(pids.size(), 6U);
  for (const pid_t pid : pids) EXPECT_TRUE(Alive(pid)) << pid;
  ASSERT_EQ(Stop(), 0) << err_.str();
  for (const pid_t pid : pids) EXPECT_FALSE(Alive(pid)) << pid;
  EXPECT_FALSE(fs::exists(home_ / "data/standalone.json"));
  EXPECT_EQ(Ended().front(), "worker-1");
  EXPECT_EQ(Ended().size(), 3U);
}

TEST_F(StandaloneTest, ASecondStartIsRefusedByName) {
  ASSERT_EQ(Launch(), 0) << err_.str();
  EXPECT_EQ(Launch(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("already runs in " + (home_ / "data").string() + " (process " +
                                    std::to_string(Pid("supervisor")) + ")"));
}

TEST_F(StandaloneTest, StopMayComeTwice) {
  ASSERT_EQ(Launch(), 0) << err_.str();
  EXPECT_EQ(Stop(), 0);
  EXPECT_EQ(Stop(), 0);
  EXPECT_THAT(out_.str(), HasSubstr("no standalone cluster runs in"));
}

TEST_F(StandaloneTest, TheForegroundEndsOnSigterm) {
  options_.detach = false;
  const pid_t child = fork();
  if (child == 0) {
    std::ostringstream out, err;
    _exit(RunStandalone(options_, out, err));
  }
  ASSERT_TRUE(Eventually([&] { return !State().is_null(); }));
  const std::vector<pid_t> pids = AllPids();
  kill(child, SIGTERM);
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  for (const pid_t pid : pids) EXPECT_FALSE(Alive(pid)) << pid;
}

TEST_F(StandaloneTest, NothingOutlivesAKilledSupervisor) {
  ASSERT_EQ(Launch(), 0) << err_.str();
  const std::vector<pid_t> pids = AllPids();
  kill(Pid("supervisor"), SIGKILL);
  for (const pid_t pid : pids) EXPECT_TRUE(Eventually([&] { return !Alive(pid); })) << pid;
  ASSERT_EQ(Launch(), 0) << err_.str();
}

TEST_F(StandaloneTest, TheNextStartEndsAGuardianThatWasLeft) {
  setenv("FAKE_NODE", "stray:worker-1", 1);
  ASSERT_EQ(Launch(), 0) << err_.str();
  const pid_t guardian = Pid("guardian");
  const std::vector<pid_t> pids = AllPids();
  kill(Pid("supervisor"), SIGKILL);
  for (const pid_t pid : pids) {
    ASSERT_TRUE(pid == guardian || Eventually([&] { return !Alive(pid); })) << pid;
  }
  ASSERT_TRUE(Alive(guardian));
  unsetenv("FAKE_NODE");
  ASSERT_EQ(Launch(), 0) << err_.str();
  EXPECT_FALSE(Alive(guardian));
  EXPECT_THAT(out_.str(), HasSubstr("ended 1 processes of an earlier life"));
}

TEST_F(StandaloneTest, ADeadNodeIsStartedAgain) {
  ASSERT_EQ(Launch(), 0) << err_.str();
  for (const char* role : {"scheduler", "worker"}) {
    const pid_t old = Pid(role);
    kill(old, SIGKILL);
    EXPECT_TRUE(Eventually([&] { return Pid(role) != old && Alive(Pid(role)); })) << role;
  }
}

TEST_F(StandaloneTest, AKilledPostgresIsStartedAgain) {
  ASSERT_EQ(Launch(), 0) << err_.str();
  const pid_t old = Pid("postgres");
  kill(old, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return Pid("postgres") > 1 && Pid("postgres") != old; }));
}

TEST_F(StandaloneTest, ANodeThatDiesAtItsStartIsQuoted) {
  setenv("FAKE_NODE", "crash:worker-1", 1);
  EXPECT_EQ(Launch(), 1);
  EXPECT_THAT(err_.str(), ::testing::ContainsRegex("worker-1.*exit code 3.*: boom"));
  EXPECT_THAT(Ended(), ElementsAre("scheduler-1"));
}

TEST_F(StandaloneTest, ANodeThatNeverGetsReadyIsNamed) {
  setenv("FAKE_NODE", "unready:scheduler-1", 1);
  options_.start_timeout = absl::Seconds(2);
  EXPECT_EQ(Launch(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("scheduler-1 is not ready in time"));
}

TEST_F(StandaloneTest, ASecondSignalDoesNotWaitForADeafWorker) {
  setenv("FAKE_NODE", "deaf:worker-1", 1);
  options_.drain_grace = absl::Hours(1);
  ASSERT_EQ(Launch(), 0) << err_.str();
  const pid_t worker = Pid("worker");
  const pid_t supervisor = Pid("supervisor");
  kill(supervisor, SIGTERM);
  kill(supervisor, SIGINT);  // another number: equal ones would be taken for one
  EXPECT_TRUE(Eventually([&] { return !Alive(supervisor); }));
  EXPECT_FALSE(Alive(worker));
}

// As it is while the last thread of a supervisor ends, or before it wrote its name.
TEST_F(StandaloneTest, StopWaitsForALockWithoutALivingHolder) {
  fs::create_directory(options_.data_dir);
  std::optional<InstanceLock> lock = *InstanceLock::Take(options_.data_dir / "standalone.lock");
  const pid_t holder = fork();
  if (holder == 0) {
    usleep(50'000);
    _exit(0);
  }
  lock.reset();
  EXPECT_EQ(Stop(), 0) << err_.str();
  waitpid(holder, nullptr, 0);
}

TEST_F(StandaloneTest, BusyPortsAreNamed) {
  ASSERT_EQ(Launch(), 0) << err_.str();
  StandaloneOptions other = options_;
  other.data_dir = home_ / "other";
  other.port = PortOf(State()["address"]);
  EXPECT_EQ(RunStandalone(other, out_, err_), 1);
  EXPECT_THAT(err_.str(),
              HasSubstr("port " + std::to_string(other.port) + " (scheduler-1, gRPC) is in use"));
  EXPECT_FALSE(fs::exists(home_ / "other/postgres"));
}

TEST_F(StandaloneTest, MissingProgramsAreNamed) {
  options_.bin_dir = home_;
  EXPECT_EQ(Launch(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("penstock-scheduler is missing"));
}

}  // namespace
}  // namespace penstock::client
