#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/dag/spec.h"

namespace penstock::dag {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

DagSpec Parse(std::string_view yaml) {
  const ParseResult result = ParseDag(yaml);
  for (const Problem& problem : result.problems) ADD_FAILURE() << ToString(problem, "dag");
  return result.dag.value_or(DagSpec{});
}

const TaskSpec& Task(const DagSpec& dag, std::string_view id) {
  for (const TaskSpec& task : dag.tasks) {
    if (task.id == id) return task;
  }
  ADD_FAILURE() << "no task " << id;
  return dag.tasks.front();
}

std::vector<std::string> Ids(const DagSpec& dag) {
  std::vector<std::string> ids;
  for (const TaskSpec& task : dag.tasks) ids.push_back(task.id);
  return ids;
}

TEST(ParseDagTest, TheShortestDagHasAllDefaults) {
  const DagSpec dag = Parse("dag: hello\ntasks: {a: {sh: echo hi}}");
  EXPECT_EQ(dag.dag, "hello");
  EXPECT_EQ(dag.max_active_runs, 16);
  EXPECT_EQ(dag.max_active_tasks, 0);
  EXPECT_EQ(dag.run_timeout, absl::ZeroDuration());
  ASSERT_EQ(dag.tasks.size(), 1U);
  TaskSpec expected;
  expected.id = "a";
  expected.kind = TaskKind::kSh;
  expected.sh = "echo hi";
  EXPECT_EQ(dag.tasks[0], expected);
  EXPECT_EQ(dag.tasks[0].settings->queue, "default");
  EXPECT_EQ(dag.tasks[0].settings->shell, "/bin/sh -e");
  EXPECT_EQ(dag.tasks[0].settings->skip_exit_code, 99);
}

TEST(ParseDagTest, ReadsTheKindsOfTasks) {
  const DagSpec dag = Parse(R"(
dag: kinds
tasks:
  a: {sh: "echo hi"}
  b: {needs: a, exec: ["./x", y, 5, true]}
  c: {needs: [b, a], noop: {on: worker}}
  d: {noop: }
  e: {noop: {}}
)");
  EXPECT_THAT(Ids(dag), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(Task(dag, "b").kind, TaskKind::kExec);
  EXPECT_THAT(Task(dag, "b").exec, ElementsAre("./x", "y", "5", "true"));
  EXPECT_THAT(Task(dag, "b").needs, ElementsAre(0));
  EXPECT_THAT(Task(dag, "c").needs, ElementsAre(0, 1));
  EXPECT_TRUE(Task(dag, "c").noop_on_worker);
  EXPECT_EQ(Task(dag, "d").kind, TaskKind::kNoop);
  EXPECT_FALSE(Task(dag, "e").noop_on_worker);
}

TEST(ParseDagTest, SortsTopologicallyAndByIdBetweenEquals) {
  const DagSpec dag = Parse(R"(
dag: order
tasks:
  a: {needs: z, noop: }
  b: {noop: }
  z: {noop: }
  c: {needs: [a, b], noop: }
  A: {needs: c, noop: }
)");
  EXPECT_THAT(Ids(dag), ElementsAre("b", "z", "a", "c", "A"));
  EXPECT_THAT(Task(dag, "c").needs, ElementsAre(0, 2));
}

TEST(ParseDagTest, ReadsEverySetting) {
  const DagSpec dag = Parse(R"(
dag: settings
description: all of them
labels: {team: sales, tier: 1}
max_active_runs: 2
max_active_tasks: 7
run_timeout: 1d
files: [b/*.sh, a.py, b/*.sh]
tasks:
  t:
    description: one
    sh: ./x
    shell: /bin/bash -eu
    env: {Z: 1, A: "x", FLAG: true, FLOAT: 1.50}
    queue: etl
    pool: {name: dwh, slots: 2}
    priority: 7
    weight_rule: absolute
    trigger_rule: none_failed
    retries: {max: 3, backoff: 10s..10m, multiplier: 3, jitter: false}
    timeout: 1h30m
    resources: {cpu: 0.5, memory: 2Gi, custom: {gpu: 1}}
    labels: {zone: eu-1}
    skip_exit_code: 0
)");
  EXPECT_EQ(dag.description, "all of them");
  EXPECT_THAT(dag.labels, ElementsAre(Pair("team", "sales"), Pair("tier", "1")));
  EXPECT_EQ(dag.max_active_runs, 2);
  EXPECT_EQ(dag.max_active_tasks, 7);
  EXPECT_EQ(dag.run_timeout, absl::Hours(24));
  EXPECT_THAT(dag.files, ElementsAre("a.py", "b/*.sh"));
  const TaskSpec& task = dag.tasks.at(0);
  EXPECT_EQ(task.description, "one");
  EXPECT_EQ(task.priority, 7);
  EXPECT_EQ(task.trigger_rule, TriggerRule::kNoneFailed);
  const TaskSettings& s = *task.settings;
  EXPECT_THAT(s.env, ElementsAre(Pair("A", "x"), Pair("FLAG", "true"), Pair("FLOAT", "1.50"),
                                 Pair("Z", "1")));
  EXPECT_EQ(s.shell, "/bin/bash -eu");
  EXPECT_EQ(s.queue, "etl");
  EXPECT_EQ(s.pool, "dwh");
  EXPECT_EQ(s.pool_slots, 2);
  EXPECT_EQ(s.weight_rule, WeightRule::kAbsolute);
  EXPECT_EQ(s.retries, (Retries{3, absl::Seconds(10), absl::Minutes(10), 3, false}));
  EXPECT_EQ(s.timeout, absl::Minutes(90));
  EXPECT_EQ(s.resources.cpu_millis, 500);
  EXPECT_EQ(s.resources.memory_bytes, int64_t{2} << 30);
  EXPECT_THAT(s.resources.custom, ElementsAre(Pair("gpu", 1)));
  EXPECT_THAT(s.labels, ElementsAre(Pair("zone", "eu-1")));
  EXPECT_EQ(s.skip_exit_code, 0);
}

TEST(ParseDagTest, RetriesHaveThreeForms) {
  const DagSpec dag = Parse(R"(
dag: retries
tasks:
  a: {noop: , retries: 3}
  b: {noop: , retries: {max: 3, delay: 5s}}
  c: {noop: , retries: {max: 3, backoff: 1s..8s}}
)");
  EXPECT_EQ(Task(dag, "a").settings->retries,
            (Retries{3, absl::Seconds(10), absl::Seconds(10), 2, false}));
  EXPECT_EQ(Task(dag, "b").settings->retries,
            (Retries{3, absl::Seconds(5), absl::Seconds(5), 2, false}));
  EXPECT_EQ(Task(dag, "c").settings->retries,
            (Retries{3, absl::Seconds(1), absl::Seconds(8), 2, true}));
}

TEST(ParseDagTest, DefaultsMergeIntoTasks) {
  const DagSpec dag = Parse(R"(
dag: defaults
tasks:
  a: {sh: x}
  b: {sh: x, queue: own, env: {B: 2}, labels: {b: 2}, retries: 1, resources: {cpu: 2}, pool: }
defaults:
  queue: etl
  pool: dwh
  priority: 5
  trigger_rule: all_done
  weight_rule: upstream
  retries: {max: 3, delay: 1s}
  timeout: 1m
  shell: /bin/bash
  env: {A: 1, B: 1}
  labels: {a: 1}
  resources: {memory: 1Ki, custom: {gpu: 1}}
)");
  const TaskSpec& a = Task(dag, "a");
  EXPECT_EQ(a.priority, 5);
  EXPECT_EQ(a.trigger_rule, TriggerRule::kAllDone);
  EXPECT_EQ(a.settings->queue, "etl");
  EXPECT_EQ(a.settings->retries.max, 3);
  EXPECT_EQ(a.settings->shell, "/bin/bash");
  const TaskSettings& b = *Task(dag, "b").settings;
  EXPECT_EQ(b.queue, "own");
  EXPECT_EQ(b.pool, "");
  EXPECT_THAT(b.env, ElementsAre(Pair("A", "1"), Pair("B", "2")));
  EXPECT_THAT(b.labels, ElementsAre(Pair("a", "1"), Pair("b", "2")));
  EXPECT_EQ(b.retries.max, 1);
  EXPECT_EQ(b.retries.initial, absl::Seconds(10));
  EXPECT_EQ(b.resources.cpu_millis, 2000);
  EXPECT_EQ(b.resources.memory_bytes, 1024);
  EXPECT_EQ(b.resources.custom.at("gpu"), 1);
  EXPECT_EQ(b.weight_rule, WeightRule::kUpstream);
}

TEST(ParseDagTest, EqualSettingsAreOneObject) {
  const DagSpec dag = Parse(R"(
dag: shared
defaults: {queue: etl}
tasks:
  a: {noop: }
  b: {noop: , queue: other}
  c: {noop: , queue: etl}
  d: {noop: , queue: other}
)");
  EXPECT_EQ(Task(dag, "a").settings.get(), Task(dag, "c").settings.get());
  EXPECT_EQ(Task(dag, "b").settings.get(), Task(dag, "d").settings.get());
  EXPECT_NE(Task(dag, "a").settings.get(), Task(dag, "b").settings.get());
}

TEST(ParseDagTest, ParamsAreTypedOrInferred) {
  const DagSpec dag = Parse(R"(
dag: params
params:
  region: {type: string, enum: [eu, us], default: eu, description: where}
  day: {}
  note: {required: false}
  n: 5
  ratio: 0.5
  on: no
  list: {type: array, default: [1, {a: null}]}
tasks: {a: {noop: }}
)");
  std::vector<std::string> shown;
  for (const ParamSpec& p : dag.params) {
    shown.push_back(p.name + " " + std::string(ToString(p.type)) + " " + p.default_json +
                    (p.required ? " required" : ""));
  }
  EXPECT_THAT(shown, ElementsAre("day string  required", "list array [1,{\"a\":null}]",
                                 "n integer 5", "note string ", "on string \"no\"",
                                 "ratio number 0.5", "region string \"eu\""));
  EXPECT_THAT(dag.params.back().enum_json, ElementsAre("\"eu\"", "\"us\""));
}

TEST(ParseDagTest, ExpressionsMayUseParamsAndAllUpstreamTasks) {
  Parse(R"(
dag: expressions
params: {region: eu}
tasks:
  first:
    sh: echo ${{ params.region }} ${X} $Y
  mid.dle: {needs: first, exec: [echo, "${{ run.id }}-${{ attempt }}"]}
  last:
    needs: mid.dle
    env: {N: "${{ tasks.first.output.n + 1 }}", M: "${{ tasks['mid.dle'].output }}"}
    sh: |
      echo "${{ format(run.logical_date, '%Y') }}"
)");
}

TEST(ParseDagTest, AHundredThousandTasksAreFine) {
  std::string yaml = "dag: wide\ntasks:\n";
  for (int i = 0; i < 100'000; ++i) yaml += " t" + std::to_string(i) + ": {noop: }\n";
  EXPECT_EQ(Parse(yaml).tasks.size(), 100'000U);
}

}  // namespace
}  // namespace penstock::dag
