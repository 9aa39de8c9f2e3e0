// Everything that must be refused, with its place.
#include "common/dag/problems.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/dag/spec.h"

namespace penstock::dag {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<std::string> ProblemsOf(std::string_view yaml, const Limits& limits = {}) {
  const ParseResult result = ParseDag(yaml, limits);
  EXPECT_EQ(result.dag.has_value(), result.problems.empty());
  std::vector<std::string> texts;
  for (const Problem& problem : result.problems) texts.push_back(ToString(problem, "f"));
  return texts;
}

// A sound DAG around one task `t` with this body.
std::string WithTask(std::string_view body) {
  return "dag: d\ntasks:\n  t: {" + std::string(body) + "}\n";
}

struct Bad {
  std::string yaml;
  std::string problem;
};

class BadFileTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadFileTest, IsRefusedWithItsPlace) {
  EXPECT_THAT(ProblemsOf(GetParam().yaml), Contains(HasSubstr(GetParam().problem)));
}

INSTANTIATE_TEST_SUITE_P(
    Text, BadFileTest,
    ::testing::Values(Bad{"", "f:1:1: the file is empty"},
                      Bad{"# only a comment\n", "f:1:1: the file is empty"},
                      Bad{std::string("dag: a\0b\n", 9), "f:1:7: NUL is not allowed"},
                      Bad{"dag: \"a\\0b\"\n", "f:1:6: NUL is not allowed"},
                      Bad{"dag: d\n# \xC3\x28\n", "f:2:3: byte 0xc3 is not valid UTF-8"},
                      Bad{"dag: \x1b[0m\n", "f:1:6: control character 0x1b is not allowed"},
                      Bad{"dag: [a\n", "not valid YAML"}, Bad{"dag: 'a\n", "not valid YAML"},
                      Bad{"a: b: c\n", "f:1:5: not valid YAML"},
                      Bad{"dag: d\ntasks: {a: {sh: echo ${{ run.id }}}}\n",
                          "not valid YAML: did not find expected ',' or '}' (while parsing a flow "
                          "mapping) (did you "
                          "mean quotes around the text with ${{ }}?)"},
                      Bad{"\xFF\xFE"
                          "d",
                          "f:1:1: byte 0xff is not valid UTF-8"},
                      Bad{"dag: d\n---\ndag: e\n",
                          "f:2:1: a DAG file holds one document; here starts another"},
                      Bad{"%TAG !e! tag:e,2000:\n---\ndag: d\n", "%TAG directives are not allowed"},
                      Bad{"- a\n", "f:1:1: expected a map with `dag` and `tasks`, found a list"},
                      Bad{"just a text", "expected a map with `dag` and `tasks`, found a text"}));

INSTANTIATE_TEST_SUITE_P(
    Structure, BadFileTest,
    ::testing::Values(
        Bad{"dag: &a d\n", "f:1:6: anchors (&name) are not allowed"},
        Bad{"dag: d\ntasks: *a\n", "f:2:8: aliases (*name) are not allowed"},
        Bad{"dag: !!str d\n", "f:1:6: tags (!name) are not allowed"},
        Bad{"dag: d\ndag: e\n", "f:2:1: duplicate key \"dag\" (first in line 1)"},
        Bad{"dag: d\n? [a]\n: b\n", "f:2:3: a key must be a text"},
        Bad{"dag: d\n<<: {a: b}\n", "f:2:1: unknown key \"<<\""},
        Bad{"tasks: {a: {noop: }}\n", "f:1:1: \"dag\" is missing"},
        Bad{"dag: d\n", "f:1:1: \"tasks\" is missing"},
        Bad{"dag: d\ntasks: {}\n", "f:2:8: tasks: a DAG needs at least one task"},
        Bad{"dag: d\ntasks: [a]\n", "f:2:8: tasks: expected a map of tasks by id, found a list"},
        Bad{"dag: a..b\n", "f:1:6: dag: \"a..b\" is not an id"},
        Bad{"dag: " + std::string(201, 'a') + "\n", "201 bytes, more than the limit of 200"},
        Bad{"dag: d\ntaks: {}\n", "f:2:1: unknown key \"taks\" (did you mean \"tasks\"?)"},
        Bad{"dag: d\nschedule: \"0 5 * * *\"\n", "f:2:1: \"schedule\" is not supported yet"},
        Bad{"dag: d\non_failure: []\n", "\"on_failure\" is not supported yet"},
        Bad{"dag: d\nmax_active_runs: 0\n", "0 is not between 1 and 1000000"},
        Bad{"dag: d\nrun_timeout: 5\n",
            "\"5\" is not a duration: write 90s, 5m, 1h30m or 2d, at most "
            "366 days (did you mean 5s?)"},
        Bad{"dag: d\nfiles: [../x]\n", "f:2:9: files: \"../x\" must be relative"},
        Bad{"dag: d\nfiles: [/etc/passwd]\n", "must be relative"},
        Bad{"dag: d\nlabels: {a b: c}\n", "labels.a b: a label's name is"},
        Bad{"dag: d\ndefaults: {sh: x}\n", "f:2:12: defaults: unknown key \"sh\""},
        Bad{"dag: d\ndefaults: {needs: x}\n", "f:2:12: defaults: unknown key \"needs\""}));

INSTANTIATE_TEST_SUITE_P(
    Tasks, BadFileTest,
    ::testing::Values(
        Bad{WithTask("needs: []"), "f:3:3: tasks.t: what to do is missing: sh, exec or noop"},
        Bad{WithTask("sh: a, noop: "),
            "tasks.t.noop: a task does one thing, and this one has \"sh\""},
        Bad{"dag: d\ntasks: {t: }\n",
            "tasks.t: expected a map with sh, exec or noop, found nothing"},
        Bad{"dag: d\ntasks: {9t: {noop: }}\n", "f:2:9: tasks.9t: \"9t\" is not a task's id"},
        Bad{WithTask("sh: true"),
            "f:3:11: tasks.t.sh: expected a text, found a boolean (did you mean "
            "\"true\" in quotes?)"},
        Bad{WithTask("sh: ' '"), "the script is empty"},
        Bad{WithTask("exec: ./x"), "expected a list: the program and its arguments, found a text"},
        Bad{WithTask("exec: []"), "the program is missing"},
        Bad{WithTask("exec: ['']"), "tasks.t.exec.0: the program is empty"},
        Bad{WithTask("noop: {on: moon}"), "\"moon\" is not a place: scheduler, worker"},
        Bad{WithTask("noop: , need: a"),
            "f:3:15: tasks.t: unknown key \"need\" (did you mean \"needs\"?)"},
        Bad{WithTask("noop: , trigger_rule: all_sucess"), "(did you mean \"all_success\"?)"},
        Bad{WithTask("noop: , trigger_rule: all_done_setup_success"), "is not supported yet"},
        Bad{WithTask("noop: , when: x"), "tasks.t: \"when\" is not supported yet"},
        Bad{WithTask("py: x.y"), "tasks.t: \"py\" is not supported yet"},
        Bad{WithTask("noop: , each: [a]"), "tasks.t: \"each\" is not supported yet"},
        Bad{WithTask("noop: , priority: 10001"), "10001 is not between 0 and 10000"},
        Bad{WithTask("noop: , priority: high"), "expected an integer, found a text"},
        Bad{WithTask("noop: , weight_rule: down"), "\"down\" is not a weight rule"},
        Bad{WithTask("noop: , pool: {slots: 2}"), "tasks.t.pool: \"name\" is missing"},
        Bad{WithTask("noop: , pool: {name: p, slots: 0}"),
            "tasks.t.pool.slots: 0 is not between 1"},
        Bad{WithTask("noop: , queue: a b"), "\"a b\" is not a queue's name"},
        Bad{WithTask("noop: , timeout: 1y"), "\"1y\" is not a duration"},
        Bad{WithTask("noop: , timeout: 400d"), "\"400d\" is not a duration"},
        Bad{WithTask("noop: , skip_exit_code: 256"), "256 is not between 0 and 255"},
        Bad{WithTask("noop: , shell: ''"), "the shell is empty"},
        Bad{WithTask("noop: , env: {1A: x}"), "tasks.t.env.1A: a variable's name is"},
        Bad{WithTask("noop: , env: {PENSTOCK_RUN: x}"), "names that start with PENSTOCK_"},
        Bad{WithTask("noop: , env: {A: }"),
            "expected a text, found nothing (null) (did you mean \"\""},
        Bad{WithTask("noop: , env: {A: [x]}"), "tasks.t.env.A: expected a text, found a list"},
        Bad{WithTask("noop: , resources: {cpu: x}"), "\"x\" is not a number of cores"},
        Bad{WithTask("noop: , resources: {memory: 2GB}"), "\"2GB\" is not a size"},
        Bad{WithTask("noop: , resources: {gpu: 1}"), "unknown key \"gpu\""},
        Bad{WithTask("noop: , resources: {custom: {gpu: 0}}"), "0 is not between 1"},
        Bad{WithTask("noop: , retries: -1"), "-1 is not between 0 and 1000"},
        Bad{WithTask("noop: , retries: many"), "expected an integer or a map, found a text"},
        Bad{WithTask("noop: , retries: {delay: 1s}"), "tasks.t.retries: \"max\" is missing"},
        Bad{WithTask("noop: , retries: {max: 1, backoff: 10m..10s}"), "is not a back-off"},
        Bad{WithTask("noop: , retries: {max: 1, backoff: 10s}"), "is not a back-off"},
        Bad{WithTask("noop: , retries: {max: 1, backoff: 1s..2s, delay: 1s}"),
            "exclude each other"},
        Bad{WithTask("noop: , retries: {max: 1, jitter: true}"), "\"jitter\" needs \"backoff\""},
        Bad{WithTask("noop: , retries: {max: 1, backoff: 1s..2s, multiplier: 0.5}"),
            "0.5 is not between 1 and 100"}));

INSTANTIATE_TEST_SUITE_P(
    Edges, BadFileTest,
    ::testing::Values(
        Bad{WithTask("noop: , needs: t"), "f:3:22: tasks.t.needs: \"t\" cannot wait for itself"},
        Bad{WithTask("noop: , needs: tt"), "f:3:22: tasks.t.needs: there is no task \"tt\""},
        Bad{"dag: d\ntasks: {load: {noop: }, b: {noop: , needs: [laod]}}\n",
            "there is no task \"laod\" (did you mean \"load\"?)"},
        Bad{"dag: d\ntasks: {a: {noop: }, b: {noop: , needs: [a, a]}}\n", "\"a\" is listed twice"},
        Bad{WithTask("noop: , needs: {a: b}"),
            "expected a task's id or a list of them, found a map"},
        Bad{"dag: d\ntasks:\n  b: {noop: , needs: c}\n  a: {noop: , needs: b}\n"
            "  c: {noop: , needs: a}\n",
            "f:4:22: tasks.a.needs: tasks wait for each other: a -> c -> b -> a"},
        // What hangs behind a cycle is no cycle.
        Bad{"dag: d\ntasks: {a: {noop: , needs: b}, b: {noop: , needs: a}, c: {noop: , needs: "
            "b}}\n",
            "tasks wait for each other: a -> b -> a"}));

INSTANTIATE_TEST_SUITE_P(
    Params, BadFileTest,
    ::testing::Values(
        Bad{"dag: d\nparams: {a-b: 1}\n", "params.a-b: a parameter's name is"},
        Bad{"dag: d\nparams: {a: }\n", "expected a default value or a map with `type`"},
        Bad{"dag: d\nparams: {a: {type: text}}\n", "\"text\" is not a type"},
        Bad{"dag: d\nparams: {a: {type: integer, default: x}}\n",
            "f:2:38: params.a: the default must be of type integer, not string"},
        Bad{"dag: d\nparams: {a: {enum: [x], default: y}}\n", "the default must be one of \"x\""},
        Bad{"dag: d\nparams: {a: {enum: []}}\n", "the list of allowed values is empty"},
        Bad{"dag: d\nparams: {a: {type: number, enum: [x]}}\n", "must be of type number"},
        Bad{"dag: d\nparams: {a: {default: x, required: true}}\n", "has no use for a default"},
        Bad{"dag: d\nparams: {a: 99999999999999999999}\n", "the integer does not fit 64 bits"},
        Bad{"dag: d\nparams: {a: .inf}\n", "the number must be finite"}));

INSTANTIATE_TEST_SUITE_P(
    Expressions, BadFileTest,
    ::testing::Values(
        Bad{WithTask("sh: 'x ${{ params.a }}'"), "f:3:18: tasks.t.sh: there is no parameter \"a\""},
        Bad{"dag: d\nparams: {region: eu}\ntasks:\n  t:\n    sh: |\n      grüße\n"
            "      echo ${{ 1 }} ${{ params.regoin }}\n",
            "f:7:25: tasks.t.sh: there is no parameter \"regoin\" (did you mean \"region\"?)"},
        Bad{WithTask("exec: [a, '${{ 1 + }}']"), "tasks.t.exec.1: expected a value, found end of"},
        Bad{WithTask("noop: , env: {A: '${{ secrets.x }}'}"),
            "tasks.t.env.A: \"secrets\" is not supported yet"},
        Bad{WithTask("sh: '${{ tasks.x.output.y }}'"), "there is no task \"x\""},
        Bad{WithTask("sh: '${{ tasks.t.output.y }}'"), "a task cannot refer to its own outputs"},
        Bad{"dag: d\ntasks: {a: {sh: x}, b: {sh: '${{ tasks.a.output.y }}'}}\n",
            "task \"a\" is not upstream of \"b\": add \"a\" to its needs"},
        Bad{"dag: d\ntasks: {a: {sh: x}, b: {sh: x}, c: {sh: x, needs: b},\n"
            " z: {sh: '${{ tasks.a.output.y }}', needs: c}}\n",
            "f:3:15: tasks.z.sh: task \"a\" is not upstream of \"z\""},
        Bad{"dag: d\ntasks: {a: {noop: }, b: {needs: a, sh: '${{ tasks.a.output.y }}'}}\n",
            "task \"a\" is a noop and has no outputs"},
        Bad{"dag: d\ndefaults: {env: {A: '${{ tasks.a.output.x }}'}}\ntasks: {a: {sh: x}}\n",
            "defaults.env.A: `defaults` cannot refer to the outputs of tasks"},
        Bad{WithTask("noop: , shell: '/bin/${{ params.x }}'"),
            "allowed in sh, exec and env only"}));

TEST(ProblemsTest, IndirectUpstreamsAreToldFromOthers) {
  EXPECT_THAT(
      ProblemsOf("dag: d\ntasks:\n"
                 "  a: {sh: x}\n"
                 "  b: {sh: x, needs: a}\n"
                 "  c: {sh: '${{ tasks.a.output.y }}', needs: b}\n"
                 "  o: {sh: x}\n"
                 "  z: {sh: '${{ tasks.o.output.y }} ${{ tasks.a.output.y }}', needs: c}\n"),
      ElementsAre("f:7:16: tasks.z.sh: task \"o\" is not upstream of \"z\": add \"o\" to "
                  "its needs"));
}

TEST(ProblemsTest, ManyIndirectReferencesAreEachJudged) {
  std::string yaml = "dag: d\ntasks:\n  x: {sh: a}\n  t000: {sh: a}\n";
  for (int i = 1; i < 300; ++i) {
    yaml += fmt::format("  t{:03}: {{needs: t{:03}, sh: '${{{{ tasks.t{:03}.output.v }}}}'}}\n", i,
                        i - 1, i == 250 ? 299 : i / 2);
  }
  EXPECT_THAT(ProblemsOf(yaml),
              ElementsAre(HasSubstr("task \"t299\" is not upstream of \"t250\"")));
}

TEST(ProblemsTest, AllProblemsComeAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(ProblemsOf("dag: 9\nschedule: x\ntasks:\n  a: {need: b, sh: 1}\n  b: {needs: zz}\n"),
              ElementsAre(HasSubstr("f:1:6: dag"), HasSubstr("f:2:1: \"schedule\""),
                          HasSubstr("f:4:7: tasks.a: unknown"), HasSubstr("f:4:20: tasks.a.sh"),
                          HasSubstr("f:5:3: tasks.b: what to do"),
                          HasSubstr("f:5:14: tasks.b.needs: there is no task")));
}

TEST(ProblemsTest, TooManyProblemsAreCounted) {
  std::string yaml = "dag: d\ntasks:\n";
  for (int i = 0; i < 5'000; ++i) yaml += "  t" + std::to_string(i) + ": {noop: , x: 1}\n";
  const auto problems = ProblemsOf(yaml);
  ASSERT_THAT(problems, SizeIs(101));
  EXPECT_THAT(problems[0], HasSubstr("f:3:"));
  EXPECT_THAT(problems[99], HasSubstr("f:102:"));
  EXPECT_EQ(problems[100], "f: and 4900 more problems");
}

TEST(ProblemsTest, AnAliasBombCostsNothing) {
  std::string yaml = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    const char before = static_cast<char>(c - 1);
    yaml += fmt::format("{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n", c, before);
  }
  EXPECT_THAT(ProblemsOf(yaml), Contains(HasSubstr("f:2:8: aliases (*name) are not allowed")));
}

TEST(ProblemsTest, NestingIsBounded) {
  const std::string deep = "dag: d\nx: " + std::string(64, '[') + std::string(64, ']') + "\n";
  EXPECT_THAT(ProblemsOf(deep), ElementsAre("f:2:67: nested deeper than 64 levels"));
  const std::string deepest = "dag: d\nx: " + std::string(100'000, '[') + "\n";
  EXPECT_THAT(ProblemsOf(deepest), SizeIs(1));
  std::string blocks = "dag: d\n";
  for (int i = 0; i < 1'000; ++i) blocks += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(ProblemsOf(blocks), SizeIs(1));
}

TEST(ProblemsTest, SizesAreBounded) {
  EXPECT_THAT(ProblemsOf(std::string(100 << 20, 'x')),
              ElementsAre("f: the file has 104857600 bytes, more than the limit of 4194304"));
  std::string yaml = "dag: d\ntasks:\n";
  for (int i = 0; i <= 100'000; ++i) yaml += " t" + std::to_string(i) + ": {noop: }\n";
  EXPECT_THAT(ProblemsOf(yaml),
              ElementsAre("f:3:2: tasks: 100001 tasks, more than the limit of 100000"));
  Limits few;
  few.max_edges = 2;
  EXPECT_THAT(ProblemsOf("dag: d\ntasks: {a: {noop: }, b: {noop: , needs: a},\n"
                         " c: {noop: , needs: [a, b]}}\n",
                         few),
              ElementsAre(HasSubstr("3 edges, more than the limit of 2")));
}

TEST(ProblemsTest, DefaultsThatMultiplyAreBounded) {
  std::string yaml = "dag: d\ndefaults: {env: {A: " + std::string(60'000, 'x') + "}}\ntasks:\n";
  for (int i = 0; i < 2'000; ++i) {
    yaml += fmt::format(" t{}: {{noop: , env: {{B: {}}}}}\n", i, i);
  }
  EXPECT_THAT(ProblemsOf(yaml), ElementsAre(HasSubstr("larger than the limit of 33554432 bytes")));
}

TEST(ProblemsTest, LongCyclesAreShortened) {
  std::string yaml = "dag: d\ntasks:\n";
  for (int i = 0; i < 1'000; ++i) {
    yaml += fmt::format("  t{:04}: {{noop: , needs: t{:04}}}\n", i, (i + 999) % 1000);
  }
  EXPECT_THAT(ProblemsOf(yaml),
              ElementsAre(HasSubstr("t0000 -> t0001 -> t0002 -> t0003 -> t0004 -> t0005 -> t0006 "
                                    "-> t0007 -> (984 more) -> t0992")));
}

TEST(EditDistanceTest, CountsChangesUpToABound) {
  EXPECT_EQ(EditDistance("needs", "needs", 2), 0U);
  EXPECT_EQ(EditDistance("need", "needs", 2), 1U);
  EXPECT_EQ(EditDistance("ened", "need", 2), 1U);
  EXPECT_EQ(EditDistance("kitten", "sitting", 3), 3U);
  EXPECT_EQ(EditDistance("kitten", "sitting", 2), 3U);
  EXPECT_EQ(EditDistance("", "abc", 1), 2U);
}

size_t NaiveDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min(
          {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

TEST(EditDistanceTest, AgreesWithTheFullTable) {
  SplitMix64 random(3);
  const auto word = [&random] {
    std::string text(random.Below(9), 'a');
    for (char& c : text) c = static_cast<char>('a' + random.Below(3));
    return text;
  };
  for (int round = 0; round < 20'000; ++round) {
    const std::string a = word(), b = word();
    const size_t bound = random.Below(5);
    ASSERT_EQ(EditDistance(a, b, bound), std::min(NaiveDistance(a, b), bound + 1))
        << a << " " << b << " " << bound;
  }
}

TEST(EditDistanceTest, SuggestsOnlyWhatIsClose) {
  const std::vector<std::string_view> keys = {"needs", "noop", "retries", "env"};
  EXPECT_EQ(Closest("retires", keys), "retries");
  EXPECT_EQ(Closest("evn", keys), "env");
  EXPECT_EQ(Closest("banana", keys), "");
  EXPECT_EQ(Closest("x", keys), "");
}

}  // namespace
}  // namespace penstock::dag
