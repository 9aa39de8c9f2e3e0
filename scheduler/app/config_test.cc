#include "scheduler/app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "common/testing/status_matchers.h"
#include "scheduler/app/dsn.h"
#include "scheduler/app/flags.h"

namespace penstock::app {
namespace {

using ::penstock::testing::IsOk;
using ::penstock::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ConfigTest, NeedsNothingButADatabase) {
  const Invocation invocation = ReadInvocation({"--dsn-file", "/etc/dsn"}, {});
  EXPECT_THAT(invocation.problems, IsEmpty());
  EXPECT_EQ(invocation.config.listen, "127.0.0.1:7400");
  EXPECT_EQ(invocation.config.retention, absl::Hours(720));
}

TEST(ConfigTest, AFlagWinsOverItsVariable) {
  const Invocation invocation = ReadInvocation({"--schema=two", "--exit-with-parent"},
                                               {{"PENSTOCK_SCHEDULER_SCHEMA", "one"},
                                                {"PENSTOCK_SCHEDULER_DSN_FILE", "/f"},
                                                {"PENSTOCK_SCHEDULER_RETENTION", "12h"},
                                                {"PENSTOCK_WORKER_SLOTS", "x"}});
  EXPECT_THAT(invocation.problems, IsEmpty());
  EXPECT_EQ(invocation.config.schema, "two");
  EXPECT_EQ(invocation.config.dsn_file, "/f");
  EXPECT_EQ(invocation.config.retention, absl::Hours(12));
  EXPECT_TRUE(invocation.config.exit_with_parent);
}

TEST(ConfigTest, ListsEveryProblemAtOnce) {
  const Invocation invocation = ReadInvocation(
      {"--listen", "0.0.0.0:7400", "--nonsense", "--retention=soon", "--schema", "Bad",
       "--db-connections", "1", "--advertise", "127.0.0.1:0", "--log-dir", "relative"},
      {});
  EXPECT_THAT(invocation.problems, SizeIs(8));
  EXPECT_THAT(invocation.problems, Contains(HasSubstr("--nonsense: there is no such flag")));
  EXPECT_THAT(invocation.problems, Contains(HasSubstr("--retention: expected a duration")));
  EXPECT_THAT(invocation.problems, Contains(HasSubstr("only loopback")));
  EXPECT_THAT(invocation.problems, Contains(HasSubstr("--advertise: a host and a fixed port")));
  EXPECT_THAT(invocation.problems, Contains(HasSubstr("--dsn-file")));
}

TEST(ConfigTest, ChecksTheTermsTogether) {
  const Invocation invocation = ReadInvocation({"--dsn-file", "/f", "--session-term", "5s"}, {});
  EXPECT_THAT(invocation.problems, ElementsAre(HasSubstr("--session-term")));
}

TEST(ConfigTest, AValueMayNotBeMissing) {
  const Invocation invocation = ReadInvocation({"--dsn-env", "X", "--name"}, {});
  EXPECT_THAT(invocation.problems, ElementsAre(HasSubstr("--name: needs a value")));
}

TEST(ConfigTest, HelpNamesEveryFlagAndItsVariable) {
  const std::string help = HelpText(), page = HelpMarkdown();
  for (const Flag& flag : Flags()) {
    EXPECT_THAT(help, HasSubstr(std::string("--") + flag.name));
    EXPECT_THAT(page, HasSubstr(VariableOf(flag)));
  }
  EXPECT_EQ(ReadInvocation({"--nonsense", "--help"}, {}).action, Invocation::Action::kHelp);
  EXPECT_THAT(ReadInvocation({"--nonsense", "--help"}, {}).problems, IsEmpty());
}

TEST(DsnTest, ComesFromAFileOrAVariableWithoutBlanksAround) {
  const std::string path = ::testing::TempDir() + "/dsn_test";
  std::ofstream(path) << "  host=/run user=x\n\n";
  Config config;
  config.dsn_file = path;
  auto dsns = ReadDsns(config);
  ASSERT_THAT(dsns, IsOk());
  EXPECT_EQ(dsns->main, "host=/run user=x");
  EXPECT_EQ(dsns->direct, "");
  std::ofstream(path) << "\n";
  EXPECT_THAT(ReadDsns(config), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  std::remove(path.c_str());
  EXPECT_THAT(ReadDsns(config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot read")));
  config.dsn_file.clear();
  config.dsn_variable = "PENSTOCK_TEST_NO_SUCH_VARIABLE";
  EXPECT_THAT(ReadDsns(config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not set")));
}

}  // namespace
}  // namespace penstock::app
