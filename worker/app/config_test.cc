#include "worker/app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/app/flags.h"

namespace penstock::worker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;
using Action = Invocation::Action;

TEST(WorkerConfigTest, ReadsFlagsInBothForms) {
  const Invocation invocation = ReadInvocation(
      {"--schedulers", "127.0.0.1:7070,localhost:7071", "--slots=8", "--labels", "disk=ssd,zone=a",
       "--resources=gpu=2", "--memory", "8Gi", "--cpu=1500m", "--grace", "1m30s",
       "--exit-with-parent", "--log-format", "json", "--queues", "etl,default"},
      {});
  EXPECT_THAT(invocation.problems, IsEmpty());
  EXPECT_EQ(invocation.action, Action::kRun);
  const Config& config = invocation.config;
  EXPECT_THAT(config.schedulers, ElementsAre("127.0.0.1:7070", "localhost:7071"));
  EXPECT_EQ(config.slots, 8);
  EXPECT_THAT(config.labels, UnorderedElementsAre(Pair("disk", "ssd"), Pair("zone", "a")));
  EXPECT_THAT(config.capacity.custom, ElementsAre(Pair("gpu", 2)));
  EXPECT_EQ(config.capacity.memory_bytes, int64_t{8} << 30);
  EXPECT_EQ(config.capacity.cpu_millis, 1500);
  EXPECT_EQ(config.grace, absl::Seconds(90));
  EXPECT_TRUE(config.exit_with_parent);
  EXPECT_EQ(config.log_format, obs::LogFormat::kJson);
  EXPECT_THAT(config.queues, ElementsAre("etl", "default"));
}

TEST(WorkerConfigTest, AFlagWinsOverItsVariable) {
  const Invocation invocation =
      ReadInvocation({"--slots", "8"}, {{"PENSTOCK_WORKER_SLOTS", "4"},
                                        {"PENSTOCK_WORKER_GROUP", "gpu"},
                                        {"PENSTOCK_WORKER_SCHEDULERS", "127.0.0.1:1"},
                                        {"HOME", "/"}});
  EXPECT_THAT(invocation.problems, IsEmpty());
  EXPECT_EQ(invocation.config.slots, 8);
  EXPECT_EQ(invocation.config.group, "gpu");
  EXPECT_THAT(invocation.given,
              ElementsAre("PENSTOCK_WORKER_SCHEDULERS=127.0.0.1:1", "PENSTOCK_WORKER_GROUP=gpu",
                          "PENSTOCK_WORKER_SLOTS=4", "--slots 8"));
}

TEST(WorkerConfigTest, ListsEverythingThatIsWrong) {
  const Invocation invocation = ReadInvocation(
      {"--slots", "0", "--http", "0.0.0.0:80", "--schedulers", "192.0.2.1:7070", "--bogus", "extra",
       "--labels", "x", "--work-dir", "relative", "--grace", "soon", "--queues", "", "--cpu"},
      {{"PENSTOCK_WORKER_LOG_LEVEL", "loud"}});
  EXPECT_THAT(invocation.problems,
              UnorderedElementsAre(
                  HasSubstr("PENSTOCK_WORKER_LOG_LEVEL: expected debug"), HasSubstr("--slots"),
                  HasSubstr("--http"), HasSubstr("192.0.2.1"), HasSubstr("--bogus: no such flag"),
                  HasSubstr("extra: no such flag"), HasSubstr("--labels"), HasSubstr("--work-dir"),
                  HasSubstr("--grace"), HasSubstr("--queues"), HasSubstr("--cpu: needs a value")));
}

TEST(WorkerConfigTest, NeedsAScheduler) {
  EXPECT_THAT(ReadInvocation({}, {}).problems, ElementsAre(HasSubstr("--schedulers")));
}

TEST(WorkerConfigTest, ReportsDeathsOnly) {
  const Invocation invocation =
      ReadInvocation({"--report-session-death", "5,6", "--schedulers", "127.0.0.1:7070"}, {});
  EXPECT_THAT(invocation.problems, IsEmpty());
  EXPECT_EQ(invocation.action, Action::kReportDeath);
  EXPECT_THAT(invocation.config.dead_sessions, ElementsAre(SessionId(5), SessionId(6)));
}

TEST(WorkerConfigTest, HelpNeedsNothingElse) {
  EXPECT_EQ(ReadInvocation({"--help"}, {}).action, Action::kHelp);
  EXPECT_THAT(ReadInvocation({"--help"}, {}).problems, IsEmpty());
  for (const Flag& flag : Flags()) {
    EXPECT_THAT(HelpText(), HasSubstr(std::string("--") + flag.name));
    EXPECT_THAT(HelpMarkdown(), HasSubstr(VariableOf(flag)));
  }
}

}  // namespace
}  // namespace penstock::worker
