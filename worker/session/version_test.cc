#include "worker/session/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace penstock::worker {
namespace {

using penstock::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::shared_ptr<const Version> Make(std::string_view yaml) {
  const dag::ParseResult parsed = dag::ParseDag(yaml);
  EXPECT_TRUE(parsed.dag.has_value()) << dag::ToString(parsed.problems[0], "test");
  auto version = Version::Make(VersionId(1), "team", dag::CanonicalJson(*parsed.dag), "");
  EXPECT_TRUE(version.ok()) << version.status();
  return *version;
}

AttemptKey Key(uint32_t task, int32_t attempt = 1) { return {RunId(42), task, -1, attempt}; }

TEST(VersionTest, RefusesWhatIsNotACanonicalForm) {
  EXPECT_THAT(Version::Make(VersionId(1), "team", "{", ""),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(VersionTest, GivesTheScriptToTheShellLast) {
  const auto version = Make("dag: d\ntasks: {t: {sh: 'echo \"$HOME\"', shell: 'bash  -eu'}}\n");
  const auto rendered = version->Render(Key(0), {});
  ASSERT_TRUE(rendered.ok()) << rendered.status();
  EXPECT_THAT(rendered->argv, ElementsAre("bash", "-eu", "-c", "echo \"$HOME\""));
}

TEST(VersionTest, SeesRunTaskAndAttempt) {
  const auto version = Make(
      "dag: d\n"
      "params: {n: {type: integer, required: true}}\n"
      "tasks:\n"
      "  a: {sh: 'true'}\n"
      "  b:\n"
      "    needs: a\n"
      "    exec: [prog, '${{ params.n + 1 }}', '${{ run.id }}/${{ run.key }}', '${{ attempt }}']\n"
      "    env: {WHEN: '${{ run.logical_date }}', WHERE: '${{ namespace }}.${{ dag }}',\n"
      "          FROM: '${{ tasks.a.output.file }}', PLAIN: '${X}'}\n");
  RunFacts facts;
  facts.params_json = "{\"n\":41}";
  facts.logical_date_us = 1'700'000'000'500'000;
  facts.outputs = {{0, "{\"file\":\"x.csv\"}"}};
  const auto rendered = version->Render(Key(1, 9), facts);
  ASSERT_TRUE(rendered.ok()) << rendered.status();
  EXPECT_THAT(rendered->argv, ElementsAre("prog", "42", "42/run-42", "9"));
  EXPECT_THAT(rendered->env,
              ElementsAre(Pair("FROM", "x.csv"), Pair("PLAIN", "${X}"),
                          Pair("WHEN", "2023-11-14T22:13:20.5Z"), Pair("WHERE", "team.d")));
}

TEST(VersionTest, NamesTheExpressionThatFails) {
  const auto version = Make(
      "dag: d\ntasks:\n  a: {sh: 'true'}\n"
      "  b: {needs: a, sh: 'true', env: {N: '${{ tasks.a.output.n }}'}}\n");
  EXPECT_THAT(version->Render(Key(1), {}).status().ToString(), HasSubstr("env N: "));
  RunFacts facts;
  facts.outputs = {{0, "[1]"}};
  EXPECT_THAT(version->Render(Key(1), facts).status().ToString(),
              HasSubstr("output of task a: not an object"));
}

TEST(VersionTest, EqualTasksShareTheirDemand) {
  const auto version = Make(
      "dag: d\ndefaults: {resources: {cpu: 2, memory: 1Gi, custom: {gpu: 1}}}\n"
      "tasks: {a: {sh: 'true'}, b: {sh: 'false'}}\n");
  EXPECT_EQ(version->demand(0), version->demand(1));
  EXPECT_EQ(version->demand(0)->cpu_millis, 2000);
  EXPECT_EQ(version->demand(0)->memory_bytes, 1 << 30);
  EXPECT_THAT(version->demand(0)->custom, ElementsAre(Pair("gpu", 1)));
  EXPECT_EQ(version->task(2), nullptr);
}

}  // namespace
}  // namespace penstock::worker
