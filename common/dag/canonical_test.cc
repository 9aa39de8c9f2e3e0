#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/dag/spec.h"
#include "common/dag/value.h"

namespace penstock::dag {
namespace {

using ::testing::HasSubstr;

DagSpec Parse(std::string_view yaml) {
  const ParseResult result = ParseDag(yaml);
  for (const Problem& problem : result.problems) ADD_FAILURE() << ToString(problem, "dag");
  return result.dag.value_or(DagSpec{});
}

constexpr std::string_view kFull = R"(
dag: full
description: "with \"quotes\"\nand ends"
labels: {team: sales}
max_active_runs: 3
max_active_tasks: 9
run_timeout: 1h
files: [b.sh, a/*.py]
params:
  region: {type: string, enum: [us, eu], default: eu, description: where}
  day: {}
  limits: {type: object, default: {z: 1, a: [1.0, 2]}}
defaults: {queue: etl, retries: {max: 2, backoff: 1s..1m, multiplier: 1.5}}
tasks:
  b: {sh: "echo 'ü'", env: {Z: 1, A: 2}, shell: /bin/bash, skip_exit_code: 7, timeout: 5s}
  a: {exec: [x, "y z"], resources: {cpu: 1, memory: 1Gi, custom: {gpu: 2}}, labels: {l: v}}
  c: {needs: [b, a], noop: {on: worker}, trigger_rule: all_done, priority: 4, description: end}
  d: {noop: , pool: {name: p, slots: 3}, weight_rule: upstream}
)";

TEST(CanonicalTest, IsWhatItIs) {
  EXPECT_EQ(CanonicalJson(Parse("dag: d\ntasks: {b: {needs: a, sh: x, queue: q}, a: {noop: }}")),
            R"({"dag":"d","format":1,"settings":[{"queue":"q"}],)"
            R"("tasks":{"a":{"noop":"scheduler"},"b":{"needs":["a"],"settings":0,"sh":"x"}}})");
}

TEST(CanonicalTest, ComesBackExactly) {
  const DagSpec dag = Parse(kFull);
  const std::string canonical = CanonicalJson(dag);
  const auto again = FromCanonicalJson(canonical);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, dag);
  EXPECT_EQ(CanonicalJson(*again), canonical);
}

TEST(CanonicalTest, IsJsonWithSortedKeys) {
  const std::string canonical = CanonicalJson(Parse(kFull));
  const auto value = Value::FromJson(canonical);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->ToJson(), canonical);
}

TEST(CanonicalTest, DoesNotDependOnOrderStyleOrDefaults) {
  const std::string one = CanonicalJson(Parse(R"(
dag: d
params: {x: 1, y: {type: string, default: "z"}}
defaults: {queue: etl, env: {A: 1}}
tasks:
  a: {sh: run}
  b: {needs: [a, c], exec: [x]}
  c: {noop: {on: scheduler}, queue: other}
)"));
  const std::string other = CanonicalJson(Parse(R"(# a comment
"tasks":
    c: {queue: other, noop: , env: {A: "1"}}
    b:
      exec:
        - 'x'
      needs:
        - c
        - a
      queue: etl
      priority: 1
      env: {A: "1"}
    a:
      sh: >-
         run
      retries: 0
      queue: etl
      env: {A: "1"}
params: {y: {default: z}, x: {default: 1, type: integer, required: false}}
dag: d
max_active_runs: 16
)"));
  EXPECT_EQ(one, other);
}

TEST(CanonicalTest, EveryDifferenceShows) {
  const std::string base = "dag: d\ntasks: {a: {sh: x}, b: {sh: y, needs: a";
  const std::string plain = CanonicalJson(Parse(base + "}}"));
  for (const char* more :
       {", priority: 2", ", queue: q", ", retries: 1", ", timeout: 1s", ", env: {A: b}",
        ", shell: /bin/bash", ", labels: {a: b}", ", resources: {cpu: 1}", ", skip_exit_code: 1",
        ", trigger_rule: always", ", weight_rule: absolute", ", pool: p", ", description: x"}) {
    EXPECT_NE(CanonicalJson(Parse(base + more + "}}")), plain) << more;
  }
}

TEST(CanonicalTest, BrokenTextsAreRefused) {
  constexpr const char* kCycle = R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x","needs":["b"]},)"
                                 R"("b":{"sh":"x","needs":["a"]}}})";
  for (const char* text :
       {"",
        "{}",
        "[]",
        R"({"dag":"d","format":2,"tasks":{}})",
        R"({"dag":"d","format":1})",
        R"({"dag":"..","format":1,"tasks":{}})",
        R"({"dag":"d","format":1,"new":1,"tasks":{}})",
        R"({"dag":"d","format":1,"tasks":{"a":{}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x","noop":"worker"}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":5}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"noop":"moon"}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"exec":[]}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x","settings":0}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x","priority":-1}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x","trigger_rule":"some"}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x","needs":["b"]}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x","needs":["a"]}}})",
        R"({"dag":"d","format":1,"tasks":{"a":{"sh":"x"},"b":{"sh":"x","needs":["a","a"]}}})",
        kCycle,
        R"({"dag":"d","format":1,"tasks":{"a/b":{"sh":"x"}}})",
        R"({"dag":"d","format":1,"settings":[{"timeout_ms":-1}],"tasks":{}})",
        R"({"dag":"d","format":1,"max_active_runs":99999999999,"tasks":{}})"}) {
    const auto dag = FromCanonicalJson(text);
    EXPECT_TRUE(absl::IsInvalidArgument(dag.status())) << text;
  }
}

TEST(VersionHashTest, DependsOnBothParts) {
  const std::string hash = VersionHash("{}", "");
  // sha256 of "penstock-dag-version 1 2 0\n{}"
  EXPECT_EQ(hash, "5fea26d255908f6c6cc7f671914fb92240ee7892813a97b357014b1f1ce8529f");
  EXPECT_NE(VersionHash("{}", "b"), hash);
  EXPECT_NE(VersionHash("{", "}"), hash);
}

struct Params {
  std::string given;
  std::string result;
};
class ResolveParamsTest : public ::testing::TestWithParam<Params> {};

TEST_P(ResolveParamsTest, FillsInAndChecks) {
  const DagSpec dag = Parse(R"(
dag: d
params:
  region: {type: string, enum: [eu, us], default: eu}
  day: {type: string}
  n: {type: integer, default: 1}
  ratio: {type: number, required: false}
  flag: {type: boolean, default: false}
  list: {type: array, default: [1]}
  map: {type: object, default: {a: 1}}
tasks: {a: {noop: }}
)");
  const auto resolved = ResolveParams(dag, GetParam().given);
  EXPECT_EQ(resolved.ok() ? *resolved : std::string(resolved.status().message()),
            GetParam().result);
}

INSTANTIATE_TEST_SUITE_P(
    Given, ResolveParamsTest,
    ::testing::Values(
        Params{R"({"day":"x"})", R"({"day":"x","flag":false,"list":[1],"map":{"a":1},"n":1,)"
                                 R"("ratio":null,"region":"eu"})"},
        Params{R"({"ratio":1,"map":{},"day":"x","region":"us","n":2,"flag":true,"list":[]})",
               R"({"day":"x","flag":true,"list":[],"map":{},"n":2,"ratio":1,"region":"us"})"},
        Params{R"({"day":"x","ratio":null})", R"({"day":"x","flag":false,"list":[1],"map":{"a":1},)"
                                              R"("n":1,"ratio":null,"region":"eu"})"},
        Params{"", "parameter \"day\" is required"},
        Params{
            R"({"day":1,"n":1.5,"regoin":"eu","region":"asia","flag":null})",
            "parameter \"day\" must be of type string, not integer; parameter \"flag\" must be of "
            "type boolean, not null; parameter \"n\" must be of type integer, not number; "
            "parameter "
            "\"region\" must be one of \"eu\", \"us\"; there is no parameter \"regoin\" (did you "
            "mean \"region\"?)"},
        Params{"[]", "the parameters must be a JSON object"},
        Params{"{", "not valid JSON at byte 2"},
        Params{R"({"day":"x","day":"y"})", "the key \"day\" comes twice"},
        Params{R"({"\u0000":1,"\u0000":2})", "the key \"?\" comes twice"}));

TEST(ResolveParamsTest, SizeIsBounded) {
  const auto resolved = ResolveParams(DagSpec{}, std::string(2 << 20, ' '));
  EXPECT_THAT(std::string(resolved.status().message()),
              HasSubstr("more than the limit of 1048576"));
}

}  // namespace
}  // namespace penstock::dag
