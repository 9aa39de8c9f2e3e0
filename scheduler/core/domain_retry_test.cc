// Attempts that fail, and runs that are retried.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/core/domain_fixture.h"
#include "scheduler/core/retry.h"

namespace penstock::core {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

struct DelayCase {
  const char* name;
  double initial_s, ceiling_s, multiplier;
  int tries;
  double low_s, high_s;
  bool jitter;
};

class RetryDelayTest : public ::testing::TestWithParam<DelayCase> {};

TEST_P(RetryDelayTest, GrowsUpToTheCeiling) {
  const DelayCase& c = GetParam();
  dag::Retries retries;
  retries.initial = absl::Seconds(c.initial_s);
  retries.ceiling = absl::Seconds(c.ceiling_s);
  retries.multiplier = c.multiplier;
  retries.jitter = c.jitter;
  bool differs = false;
  for (int attempt = 1; attempt <= 50; ++attempt) {
    const TaskKey key{RunId(7), 3, -1};
    const absl::Duration delay = RetryDelay(retries, c.tries, key, attempt);
    EXPECT_GE(delay, absl::Seconds(c.low_s)) << attempt;
    EXPECT_LE(delay, absl::Seconds(c.high_s)) << attempt;
    EXPECT_EQ(delay, RetryDelay(retries, c.tries, key, attempt)) << "a replay agrees";
    differs |= delay != RetryDelay(retries, c.tries, key, attempt + 1);
  }
  EXPECT_EQ(differs, c.jitter && c.low_s < c.high_s);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RetryDelayTest,
    ::testing::Values(DelayCase{"first", 10, 3600, 2, 1, 10, 10, false},
                      DelayCase{"second", 10, 3600, 2, 2, 20, 20, false},
                      DelayCase{"fifth", 10, 3600, 2, 5, 160, 160, false},
                      DelayCase{"fixed", 10, 10, 2, 5, 10, 10, false},
                      DelayCase{"ceiling", 10, 100, 2, 9, 100, 100, false},
                      DelayCase{"many_tries", 10, 100, 2, 100'000, 100, 100, false},
                      DelayCase{"shrinking_is_none", 10, 100, 0.5, 3, 10, 10, false},
                      DelayCase{"jitter", 10, 3600, 2, 3, 40, 80, true},
                      DelayCase{"jitter_below_ceiling", 10, 50, 2, 3, 40, 50, true},
                      DelayCase{"jitter_at_ceiling", 10, 40, 2, 3, 40, 40, true}),
    [](const auto& param) { return std::string(param.param.name); });

EditSettings Retries(int max, double initial_s) {
  return [=](dag::TaskSettings& s) {
    s.retries.max = max;
    s.retries.initial = absl::Seconds(initial_s);
    s.retries.ceiling = absl::Hours(1);
  };
}

TEST(DomainRetryTest, TriesAgainAfterTheBackOffAndFailsWhenNoneAreLeft) {
  DomainFixture t;
  const DagId dag =
      t.LoadWith(MakeDag({MakeTask("a", {}, Retries(2, 10)), MakeTask("b", {0})}), 100);
  const RunId run = t.Create(dag);
  for (int n = 1; n <= 2; ++n) {
    t.EndTask(run, 0, Outcome::kFailed);
    EXPECT_EQ(t.StateOf(run, 0), TaskState::kUpForRetry);
    EXPECT_EQ(t.ReasonOf(run, 0), Reason::kRetryAt);
    t.Advance(absl::Seconds(10 * n) - absl::Milliseconds(1));
    EXPECT_THAT(t.Settle().assigns, IsEmpty());
    EXPECT_EQ(t.domain->NextSteady(), t.now().steady + absl::Milliseconds(1));
    t.Advance(absl::Milliseconds(1));
    EXPECT_THAT(t.Settle().assigns, SizeIs(1));
    EXPECT_EQ(t.AttemptOf(run, 0), n + 1);
  }
  t.EndTask(run, 0, Outcome::kFailed);
  EXPECT_EQ(t.EndOf(run), RunState::kFailed);
}

TEST(DomainRetryTest, AClockThatIsSetMovesNoRetry) {
  for (const absl::Duration set : {absl::Hours(5), -absl::Hours(5)}) {
    DomainFixture t;
    const DagId dag = t.LoadWith(MakeDag({MakeTask("a", {}, Retries(2, 10))}), 100);
    const RunId run = t.Create(dag);
    t.EndTask(run, 0, Outcome::kFailed);
    t.set = set;
    t.Advance(absl::Seconds(10) - absl::Milliseconds(1));
    EXPECT_THAT(t.Settle().assigns, IsEmpty()) << set;
    t.Advance(absl::Milliseconds(1));
    EXPECT_THAT(t.Settle().assigns, SizeIs(1)) << set;
  }
}

TEST(DomainRetryTest, AfterALoadARetryWaitsForItsLongestDelayAtMost) {
  DomainFixture t;
  const DagId dag = t.AddDag(MakeDag({MakeTask("a", {}, Retries(2, 10))}));
  RunRow row;
  row.id = RunId(1);
  row.dag = dag;
  row.version = VersionId(dag.value());
  row.state = RunState::kRunning;
  t.facts.runs.push_back(row);
  TaskRow task;
  task.key = {RunId(1), 0, -1};
  task.attempt = 1;
  task.tries = 1;
  task.state = TaskState::kUpForRetry;
  task.retry_at_us =
      absl::ToUnixMicros(t.now().wall + absl::Hours(5));  // by a clock that was wrong
  t.facts.tasks.push_back(task);
  t.Load();
  t.Worker(1, 10);
  t.Settle();
  EXPECT_EQ(t.StateOf(RunId(1), 0), TaskState::kUpForRetry);
  t.Advance(absl::Hours(1));
  EXPECT_THAT(t.Settle().assigns, SizeIs(1));
}

TEST(DomainRetryTest, AnExitThatForbidsRetriesFailsAtOnce) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a", {}, Retries(5, 10))}), 100);
  const RunId run = t.Create(dag);
  t.EndTask(run, 0, Outcome::kFailedNoRetry, Cause::kExitCode);
  EXPECT_EQ(t.EndOf(run), RunState::kFailed);
}

TEST(DomainRetryTest, LossesToInfrastructureHaveABudgetOfTheirOwn) {
  DomainFixture t;
  t.options.infra_retries = 2;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a", {}, Retries(0, 10))}), 100);
  const RunId run = t.Create(dag);
  for (int n = 1; n <= 2; ++n) {
    const Effects fx = t.EndTask(run, 0, Outcome::kFailed, Cause::kWorkerLost);
    EXPECT_THAT(fx.assigns, SizeIs(1)) << "again, at once";
    EXPECT_EQ(fx.batch.completions[0].row.tries, 0);
    EXPECT_EQ(fx.batch.completions[0].row.infra_tries, n);
  }
  t.EndTask(run, 0, Outcome::kFailed, Cause::kLeaseLost);
  EXPECT_EQ(t.EndOf(run), RunState::kFailed);
}

TEST(DomainRetryTest, AHandedBackAttemptIsChargedToNobody) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a")}), 100);
  const RunId run = t.Create(dag);
  for (int n = 1; n <= 20; ++n) {
    const AttemptRef ref{{run, 0, -1}, n};
    t.held.erase(ref);
    t.Apply(AttemptHandedBack{SessionId(1), ref});
    const Effects fx = t.Settle();
    ASSERT_THAT(fx.assigns, SizeIs(1));
    EXPECT_EQ(fx.assigns[0].ref.attempt, n + 1);
    EXPECT_EQ(fx.assigns[0].try_number, 1);
    EXPECT_THAT(fx.batch.attempts, IsEmpty());
  }
}

TEST(DomainRetryTest, ALateResultOfAnEarlierAttemptIsAcknowledgedAndIgnored) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a", {}, Retries(3, 0.001))}), 100);
  const RunId run = t.Create(dag);
  t.EndTask(run, 0, Outcome::kFailed);
  t.Advance(absl::Seconds(1));
  t.Settle();
  ASSERT_EQ(t.AttemptOf(run, 0), 2);
  AttemptResult late;
  late.ref = {{run, 0, -1}, 1};
  late.outcome = Outcome::kSuccess;
  t.Apply(AttemptEnded{SessionId(1), late});
  const Effects fx = t.Settle();
  EXPECT_THAT(fx.acks, SizeIs(1));
  EXPECT_THAT(fx.batch.completions, IsEmpty());
  EXPECT_EQ(t.StateOf(run, 0), TaskState::kLeased);
}

// a failed; c waits for its retry or is in line for it, and comes after a: it is cleared with it.
// Its row must say so, else a reload would start it before a has run again.
TEST(DomainRetryTest, ARetriedRunClearsWhatWasUpForRetryBelowTheFailure) {
  for (const bool due : {false, true}) {
    DomainFixture t;
    dag::DagSpec spec = MakeDag({MakeTask("a"), MakeTask("c", {0}, Retries(3, 5))});
    spec.tasks[1].trigger_rule = dag::TriggerRule::kOneFailed;
    const DagId dag = t.AddDag(std::move(spec));
    t.Load();
    t.Worker(1, 2);
    const RunId run = t.Create(dag);
    t.EndTask(run, 0, Outcome::kFailed);
    t.EndTask(run, 1, Outcome::kFailed);
    ASSERT_EQ(t.StateOf(run, 1), TaskState::kUpForRetry);
    if (due) {
      t.Advance(absl::Seconds(6));
      t.Settle();
      ASSERT_EQ(t.StateOf(run, 1), TaskState::kReady) << "no credits are left";
    }
    ASSERT_TRUE(t.Do(RetryRun{run, nullptr}).status.ok());
    EXPECT_EQ(t.StateOf(run, 1), TaskState::kWaiting);
    bool written = false;
    for (const Decision& d : t.last.batch.decisions) {
      written |= d.key.task == 1 && d.state == TaskState::kWaiting && d.attempt == 1;
    }
    EXPECT_TRUE(written);
    t.Advance(absl::Seconds(10));
    t.Grant(1, 10);
    EXPECT_EQ(t.HeldOf(run), 1) << "a alone";
    t.EndTask(run, 0, Outcome::kFailed);
    EXPECT_EQ(t.StateOf(run, 1), TaskState::kLeased);
    EXPECT_EQ(t.AttemptOf(run, 1), 2);
  }
}

// An ended run comes back from rows that somebody read: those of its latest ending, or none.
TEST(DomainRetryTest, AnEndedRunDoesNotComeBackFromRowsReadBeforeItsEnd) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a"), MakeTask("b", {0})}), 100);
  const RunId run = t.Create(dag);
  auto facts = std::make_shared<DomainFacts>();
  facts->runs.push_back(t.last.batch.new_runs[0]);
  t.EndTask(run, 0, Outcome::kFailed);
  ASSERT_EQ(t.EndOf(run), RunState::kFailed);
  const RunUpdate end = t.last.batch.run_updates[0];
  EXPECT_TRUE(absl::IsAborted(t.Do(RetryRun{run, nullptr}).status));
  EXPECT_TRUE(absl::IsAborted(t.Do(RetryRun{run, facts}).status)) << "it was live";
  facts->runs[0].state = RunState::kFailed;
  facts->runs[0].finished_us = end.finished_us - 1;
  EXPECT_TRUE(absl::IsAborted(t.Do(RetryRun{run, facts}).status)) << "of an earlier ending";
  facts->runs[0].finished_us = end.finished_us;
  TaskRow failed;
  failed.key = {run, 0, -1};
  failed.state = TaskState::kFailed;
  failed.attempt = failed.tries = 1;
  facts->tasks.push_back(failed);
  EXPECT_TRUE(t.Do(RetryRun{run, facts}).status.ok());
  EXPECT_EQ(t.AttemptOf(run, 0), 2);
}

TEST(DomainRetryTest, ARetriedRunKeepsWhatSucceeded) {
  DomainFixture t;
  const DagId dag = t.LoadWith(
      MakeDag({MakeTask("a"), MakeTask("b", {0}), MakeTask("c", {0}), MakeTask("d", {1})}), 100);
  const RunId run = t.Create(dag);
  t.EndTask(run, 0);
  t.EndTask(run, 1, Outcome::kFailed);
  ASSERT_TRUE(t.Do(RetryRun{run, nullptr}).status.ok());
  EXPECT_EQ(t.StateOf(run, 0), TaskState::kSuccess);
  EXPECT_EQ(t.AttemptOf(run, 1), 2);
  EXPECT_EQ(t.AttemptOf(run, 2), 1) << "was not touched";
  EXPECT_EQ(t.StateOf(run, 3), TaskState::kWaiting);
  t.EndTask(run, 1);
  t.EndTask(run, 2);
  t.EndTask(run, 3);
  EXPECT_EQ(t.EndOf(run), RunState::kSuccess);
}

}  // namespace
}  // namespace penstock::core
