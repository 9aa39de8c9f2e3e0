#include "client/cli/dag_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/cli/refs.h"

namespace penstock::client {
namespace {

using ::testing::HasSubstr;

dag::ParseResult Lint(const std::string& yaml) {
  dag::ParseResult result = dag::ParseDag(yaml);
  for (const auto& problem : result.problems) {
    ADD_FAILURE() << dag::ToString(problem, "test.yaml") << "\n" << yaml;
  }
  return result;
}

TEST(DagFileTest, OffersATemplateThatIsValid) {
  const auto result = Lint(DagTemplate("hello"));
  ASSERT_TRUE(result.dag.has_value());
  EXPECT_EQ(result.dag->dag, "hello");
  EXPECT_EQ(result.dag->tasks.size(), 3u);
}

constexpr char kRich[] = R"(
dag: rich
description: "all: of it"
labels: {team: sales}
files: ["*.sql", lib/**]
max_active_runs: 3
max_active_tasks: 7
run_timeout: 1d2h
params:
  region: {type: string, enum: [eu, us], default: eu, description: where}
  days: {type: integer, required: true}
  ratio: {type: number}
defaults: {queue: etl, retries: {max: 4, backoff: 10s..10m, multiplier: 3, jitter: false}, timeout: 90s}
tasks:
  a: {sh: "echo one\necho two\n", env: {X: "${{ params.region }}", Y: "007"}, pool: {name: p, slots: 2}}
  b: {needs: a, exec: [/bin/echo, "yes", "3"], retries: {max: 1, delay: 5s}, resources: {cpu: 0.5, memory: 2Gi, custom: {gpu: 1}}}
  c: {needs: [a, b], noop: {on: worker}, trigger_rule: all_done, priority: 9, weight_rule: absolute}
  d: {noop: , labels: {zone: "1"}}
)";

TEST(DagFileTest, SpellsOutADagFileThatMeansTheSame) {
  for (const std::string& yaml : {std::string(kRich), DagTemplate("x")}) {
    const auto before = Lint(yaml);
    ASSERT_TRUE(before.dag.has_value());
    const auto after = Lint(EffectiveYaml(*before.dag));
    ASSERT_TRUE(after.dag.has_value());
    EXPECT_EQ(dag::CanonicalJson(*after.dag), dag::CanonicalJson(*before.dag));
    EXPECT_TRUE(Lint(EffectiveJson(*before.dag)).dag.has_value());
  }
}

TEST(DagFileTest, PrintsEveryProblemWithItsPlace) {
  const auto result = dag::ParseDag("dag: x\ntasks:\n  a: {sh: b, nedes: c}\n  d: {}\n");
  std::ostringstream out;
  PrintProblems(result.problems, "x.yaml", out);
  EXPECT_THAT(out.str(), HasSubstr("x.yaml:3:"));
  EXPECT_THAT(out.str(), HasSubstr("needs"));
  EXPECT_THAT(out.str(), HasSubstr("x.yaml:4:"));
}

TEST(DagFileTest, RefusesALargeFileBeforeReadingIt) {
  std::istringstream in(std::string((4 << 20) + 1, '#'));
  const auto file = ReadDagFile("-", in);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("larger than 4194304 bytes"));
}

TEST(RefsTest, NamesRuns) {
  EXPECT_EQ(ParseRunRef("42")->id(), 42);
  EXPECT_EQ(ParseRunRef("etl/2026/01")->key(), "2026/01");
  EXPECT_EQ(ParseRunRef("etl")->dag(), "etl");
  for (const char* bad : {"", "/", "etl/", "/key"}) EXPECT_FALSE(ParseRunRef(bad).ok()) << bad;
}

TEST(RefsTest, NamesTasks) {
  EXPECT_EQ(ParseTaskRef("load")->map_index, -1);
  EXPECT_EQ(ParseTaskRef("load[12]")->map_index, 12);
  EXPECT_EQ(ToString(*ParseTaskRef("load[12]")), "load[12]");
  for (const char* bad : {"", "[1]", "load[", "load[]", "load[x]", "load[-1]", "load[1]x"}) {
    EXPECT_FALSE(ParseTaskRef(bad).ok()) << bad;
  }
}

TEST(RefsTest, NamesStates) {
  EXPECT_EQ(StateName(v1::TASK_STATE_UP_FOR_RETRY), "up_for_retry");
  EXPECT_EQ(ParseTaskState("up_for_retry"), v1::TASK_STATE_UP_FOR_RETRY);
  EXPECT_EQ(ParseRunState("nope"), v1::RUN_STATE_UNSPECIFIED);
  EXPECT_EQ(StateName(static_cast<v1::RunState>(99)), "99");
}

}  // namespace
}  // namespace penstock::client
