#include "worker/exec/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/base/status.h"

namespace penstock::worker::exec {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

LaunchSpec Spec() {
  LaunchSpec spec;
  spec.key = {RunId(42), 3, -1, 7};
  spec.namespace_name = "sales";
  spec.dag = "orders";
  spec.task = "load";
  spec.run_key = "2024-01-31";
  spec.params_json = R"({"region":"eu"})";
  spec.try_number = 2;
  return spec;
}

std::vector<std::string> Build(const LaunchSpec& spec, EnvironmentOptions options = {}) {
  options.life = "me";
  return *BuildEnvironment(spec, options, "/attempts/a1");
}

TEST(BuildEnvironmentTest, HoldsExactlyWhatIsDocumented) {
  EXPECT_THAT(Build(Spec()),
              ::testing::UnorderedElementsAre(
                  StartsWith("PATH=/usr/local/sbin:"), "HOME=/", "LANG=C.UTF-8",
                  "TMPDIR=/attempts/a1", "PENSTOCK_NAMESPACE=sales", "PENSTOCK_DAG=orders",
                  "PENSTOCK_TASK=load", "PENSTOCK_RUN_ID=42", "PENSTOCK_RUN_KEY=2024-01-31",
                  R"(PENSTOCK_PARAMS={"region":"eu"})", "PENSTOCK_ATTEMPT=7",
                  "PENSTOCK_TRY_NUMBER=2", "PENSTOCK_IDEMPOTENCY_KEY=sales/orders/42/load",
                  "PENSTOCK_OUTPUT=/attempts/a1/.penstock_output", "PENSTOCK_WORKER_LIFE=me"));
}

TEST(BuildEnvironmentTest, MappedAndDatedTasksAreToldSo) {
  LaunchSpec spec = Spec();
  spec.key.map = 5;
  spec.logical_date = "2024-01-31T05:00:00Z";
  const std::vector<std::string> env = Build(spec);
  EXPECT_THAT(env, Contains("PENSTOCK_MAP_INDEX=5"));
  EXPECT_THAT(env, Contains("PENSTOCK_LOGICAL_DATE=2024-01-31T05:00:00Z"));
  EXPECT_THAT(env, Contains("PENSTOCK_IDEMPOTENCY_KEY=sales/orders/42/load/5"));
}

TEST(BuildEnvironmentTest, TheTaskOverridesTheBasicsButNotPenstocksOwn) {
  LaunchSpec spec = Spec();
  spec.env = {{"HOME", "/data"}, {"PENSTOCK_ATTEMPT", "1"}, {"MODE", "a=b\nc"}};
  EnvironmentOptions options;
  options.handed_on = {"TZ=UTC", "LANG=de_DE", "MODE=none"};
  const std::vector<std::string> env = Build(spec, options);
  EXPECT_THAT(env, Contains("HOME=/data"));
  EXPECT_THAT(env, Contains("PENSTOCK_ATTEMPT=7"));
  EXPECT_THAT(env, Not(Contains("PENSTOCK_ATTEMPT=1")));
  EXPECT_THAT(env, Contains("MODE=a=b\nc"));
  EXPECT_THAT(env, Not(Contains("MODE=none")));
  EXPECT_THAT(env, Contains("TZ=UTC"));
  EXPECT_THAT(env, Contains("LANG=C.UTF-8"));
}

TEST(BuildEnvironmentTest, TheIdempotencyKeyIsTheSameForEveryAttempt) {
  LaunchSpec again = Spec();
  again.key.attempt = 9;
  again.try_number = 3;
  EXPECT_EQ(IdempotencyKey(Spec()), IdempotencyKey(again));
  again.key.map = 0;
  EXPECT_NE(IdempotencyKey(Spec()), IdempotencyKey(again));
}

TEST(BuildEnvironmentTest, RefusesWhatNoEnvironmentCanHold) {
  const auto error = [](std::string name, std::string value) {
    LaunchSpec spec = Spec();
    spec.env = {{std::move(name), std::move(value)}};
    return std::string(Message(BuildEnvironment(spec, {}, "/work").status()));
  };
  EXPECT_THAT(error("", "x"), HasSubstr("no name"));
  EXPECT_THAT(error("A=B", "x"), HasSubstr("no name"));
  EXPECT_THAT(error("A", std::string("x\0y", 3)), HasSubstr("variable A has a NUL"));
  EXPECT_EQ(error("A", "x"), "");
}

}  // namespace
}  // namespace penstock::worker::exec
