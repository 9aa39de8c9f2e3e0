#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "client/standalone/instance_lock.h"
#include "client/standalone/node.h"
#include "client/standalone/node_plan.h"
#include "client/standalone/ports.h"
#include "client/standalone/standalone.h"
#include "client/standalone/state_file.h"
#include "common/testing/temp_dir.h"

namespace penstock::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ValidateTest, NamesTheFlagThatIsOutOfRange) {
  StandaloneOptions options;
  options.data_dir = "/x";
  EXPECT_TRUE(Validate(options).ok());
  options.schedulers = 11;
  EXPECT_THAT(std::string(Validate(options).message()),
              HasSubstr("--schedulers must be 1 to 10, not 11"));
  options.schedulers = 1;
  options.port = -1;
  EXPECT_THAT(std::string(Validate(options).message()), HasSubstr("--port"));
}

TEST(PortsTest, AreAtFixedDistances) {
  const PortPlan plan = FixedPorts(7400, 2, 3);
  ASSERT_EQ(plan.schedulers.size(), 2U);
  EXPECT_EQ(plan.schedulers[1].grpc, 7401);
  EXPECT_EQ(plan.schedulers[1].http, 7481);
  EXPECT_THAT(plan.workers, ElementsAre(7490, 7491, 7492));
}

TEST(RestartPolicyTest, WaitsLongerEachTimeUntilALifeWasLong) {
  RestartPolicy policy(1);
  absl::Duration last;
  for (int i = 0; i < 12; ++i) last = policy.PauseAfter(absl::Seconds(1));
  EXPECT_GE(last, absl::Seconds(15));
  EXPECT_LE(last, absl::Seconds(30));
  EXPECT_LE(policy.PauseAfter(absl::Minutes(2)), absl::Milliseconds(500));
}

TEST(DescribeEndTest, TellsExitCodesFromSignals) {
  EXPECT_EQ(DescribeEnd(3 << 8), "exit code 3");
  EXPECT_EQ(DescribeEnd(9), "signal 9 (Killed)");
}

TEST(NodePlanTest, EveryWorkerKnowsEveryScheduler) {
  StandaloneOptions options;
  options.bin_dir = "/opt/bin";
  options.slots = 7;
  const PortPlan ports = FixedPorts(7400, 2, 1);
  const auto workers = PlanWorkers(options, Layout{"/data"}, ports);
  ASSERT_EQ(workers.size(), 1U);
  EXPECT_EQ(workers[0].argv[0], "/opt/bin/penstock-worker");
  EXPECT_THAT(workers[0].argv, Contains("127.0.0.1:7400,127.0.0.1:7401"));
  EXPECT_THAT(workers[0].argv, Contains("7"));
}

TEST(NodePlanTest, TheConnectionStringIsNotOnTheCommandLine) {
  const auto schedulers = PlanSchedulers({}, Layout{"/data"}, FixedPorts(7400, 1, 0));
  ASSERT_EQ(schedulers.size(), 1U);
  EXPECT_THAT(schedulers[0].argv, Contains("/data/run/dsn"));
  for (const std::string& arg : schedulers[0].argv) {
    EXPECT_EQ(arg.find("host="), std::string::npos) << arg;
  }
}

class FileTest : public ::testing::Test {
 protected:
  testing::TempDir temp_{"standalone"};
  const std::filesystem::path dir_ = temp_.path();
};

ClusterState Sample() {
  ClusterState state;
  state.data_dir = "/data";
  state.supervisor = {10, 100, 77};
  state.postmaster = {11, 101, 77};
  state.postgres_children = {12, 13};
  state.schedulers = {{"scheduler-1", {14, 104, 77}, 7400, 7480, "/l", {}}};
  state.workers = {{"worker-1", {15, 105, 77}, 0, 7490, "/l", {{16, 106, 77}}}};
  return state;
}

TEST_F(FileTest, AStateThatWasWrittenNamesItsProcessesAgain) {
  ASSERT_TRUE(WriteAtomically(dir_ / "s.json", ToJson(Sample())).ok());
  const RecordedProcesses found = ReadProcesses(dir_ / "s.json");
  EXPECT_THAT(found.nodes,
              ElementsAre(process::PidIdentity{14, 104, 77}, process::PidIdentity{15, 105, 77}));
  EXPECT_THAT(found.guardians, ElementsAre(process::PidIdentity{16, 106, 77}));
}

TEST_F(FileTest, AddressesAndPidsAreWhereScriptsLook) {
  const auto json = nlohmann::json::parse(ToJson(Sample()));
  EXPECT_EQ(json["address"], "127.0.0.1:7400");
  EXPECT_EQ(json["schedulers"][0]["http"], "127.0.0.1:7480");
  EXPECT_EQ(json["pids"]["postgres"], nlohmann::json({11, 12, 13}));
  EXPECT_EQ(json["pids"]["guardian"], nlohmann::json({16}));
}

TEST_F(FileTest, AMissingOrBrokenStateNamesNobody) {
  EXPECT_THAT(ReadProcesses(dir_ / "none").nodes, IsEmpty());
  for (const char* text : {"", "{", "[]", "{\"version\": 1}", "{\"version\": 1, \"boot\": \"x\"}",
                           "{\"version\": 1, \"boot\": 1, \"schedulers\": [{\"pid\": \"a\"}]}"}) {
    ASSERT_TRUE(WriteAtomically(dir_ / "s.json", text).ok());
    EXPECT_THAT(ReadProcesses(dir_ / "s.json").nodes, IsEmpty()) << text;
  }
}

TEST_F(FileTest, TheLockIsHeldOnceAndNamesItsHolder) {
  {
    const auto lock = InstanceLock::Take(dir_ / "lock");
    ASSERT_TRUE(lock.ok());
    lock->NameHolder();
    const auto second = InstanceLock::Take(dir_ / "lock");
    EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_THAT(std::string(second.status().message()),
                HasSubstr("(process " + std::to_string(getpid()) + ")"));
    ASSERT_TRUE(FindHolder(dir_ / "lock").process);
  }
  EXPECT_FALSE(FindHolder(dir_ / "lock").held);
  EXPECT_TRUE(InstanceLock::Take(dir_ / "lock").ok());
}

TEST_F(FileTest, MakesItsDirectoriesForThisUserAlone) {
  const auto layout = MakeLayout(dir_ / "a/b/");
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->root, dir_ / "a/b");
  EXPECT_EQ(std::filesystem::status(dir_ / "a/b/run").permissions(),
            std::filesystem::perms::owner_all);
}

TEST_F(FileTest, AFileIsNoDataDirectory) {
  std::ofstream(dir_ / "file") << "x";
  EXPECT_FALSE(MakeLayout(dir_ / "file").ok());
  EXPECT_FALSE(MakeLayout(dir_ / "file/below").ok());
}

}  // namespace
}  // namespace penstock::client
