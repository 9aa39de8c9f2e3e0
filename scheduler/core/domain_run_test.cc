// Runs: trigger rules, cancel, time-outs, pause, quarantine, keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/core/domain_fixture.h"

namespace penstock::core {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- Trigger rules: two upstream tasks end with S(uccess), F(ailed) or (s)K(ipped) ----

struct RuleCase {
  dag::TriggerRule rule;
  // R(uns), K = skipped, U = upstream_failed after SS, SF, FF, SK, KK.
  const char* verdicts;
};

class TriggerRuleTest : public ::testing::TestWithParam<RuleCase> {};

TEST_P(TriggerRuleTest, JudgesTheDownstreamTask) {
  const RuleCase& c = GetParam();
  static constexpr const char* kEnds[] = {"SS", "SF", "FF", "SK", "KK"};
  for (size_t i = 0; i < 5; ++i) {
    SCOPED_TRACE(kEnds[i]);
    DomainFixture t;
    dag::DagSpec spec =
        MakeDag({MakeTask("a"), MakeTask("b"), MakeTask("c", {0, 1}), MakeTask("z")});
    spec.tasks[2].trigger_rule = c.rule;
    const DagId dag = t.AddDag(std::move(spec));
    t.Load();
    t.Worker(1, 100);
    const RunId run = t.Create(dag);  // z keeps it alive
    for (int task = 0; task < 2; ++task) {
      const char end = kEnds[i][task];
      t.EndTask(run, task,
                end == 'S'   ? Outcome::kSuccess
                : end == 'F' ? Outcome::kFailed
                             : Outcome::kSkipped);
    }
    const char verdict = c.verdicts[i];
    EXPECT_EQ(t.StateOf(run, 2), verdict == 'R'   ? TaskState::kLeased
                                 : verdict == 'K' ? TaskState::kSkipped
                                                  : TaskState::kUpstreamFailed);
  }
}

using enum dag::TriggerRule;
INSTANTIATE_TEST_SUITE_P(
    Table, TriggerRuleTest,
    ::testing::Values(RuleCase{kAllSuccess, "RUUKK"}, RuleCase{kAllFailed, "KKRKK"},
                      RuleCase{kAllDone, "RRRRR"}, RuleCase{kAllDoneMinOneSuccess, "RRUKK"},
                      RuleCase{kAllSkipped, "KKKKR"}, RuleCase{kOneSuccess, "RRURK"},
                      RuleCase{kOneFailed, "KRRKK"}, RuleCase{kOneDone, "RRRRK"},
                      RuleCase{kNoneFailed, "RUURR"}, RuleCase{kNoneFailedMinOneSuccess, "RUURK"},
                      RuleCase{kNoneSkipped, "RRRKK"}, RuleCase{kAlways, "RRRRR"}),
    [](const auto& param) { return std::string(dag::ToString(param.param.rule)); });

TEST(DomainRunTest, ARunEndsAsItsLeavesDo) {
  struct Case {
    Outcome a, b;
    RunState end;
  };
  for (const Case& c : {Case{Outcome::kSuccess, Outcome::kSuccess, RunState::kSuccess},
                        Case{Outcome::kSuccess, Outcome::kSkipped, RunState::kSuccess},
                        Case{Outcome::kSuccess, Outcome::kFailed, RunState::kFailed},
                        Case{Outcome::kSkipped, Outcome::kSkipped, RunState::kSuccess},
                        Case{Outcome::kFailed, Outcome::kSuccess, RunState::kFailed}}) {
    DomainFixture t;
    const DagId dag = t.AddDag(MakeDag({MakeTask("a"), MakeTask("b")}));
    t.Load();
    t.Worker(1, 10);
    const RunId run = t.Create(dag);
    t.EndTask(run, 0, c.a);
    EXPECT_EQ(t.EndOf(run), RunState::kRunning);
    t.EndTask(run, 1, c.b);
    EXPECT_EQ(t.EndOf(run), c.end);
    EXPECT_FALSE(t.domain->HasRun(run));
  }
}

TEST(DomainRunTest, ANoopEndsWithoutAWorker) {
  DomainFixture t;
  dag::DagSpec spec = MakeDag({MakeTask("a"), MakeTask("b", {0})});
  for (dag::TaskSpec& task : spec.tasks) task.kind = dag::TaskKind::kNoop;
  const DagId dag = t.AddDag(std::move(spec));
  t.Load();
  EXPECT_EQ(t.EndOf(t.Create(dag)), RunState::kSuccess);
}

// ---- Cancel, time-outs ----

TEST(DomainRunTest, CancelStopsWhatRunsAndEndsTheRest) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a"), MakeTask("b", {0}), MakeTask("c")}), 1);
  const RunId run = t.Create(dag);
  ASSERT_EQ(t.HeldOf(run), 1);
  EXPECT_TRUE(t.Do(CancelRun{run}).status.ok());
  EXPECT_THAT(t.last.revokes, SizeIs(1));
  EXPECT_EQ(t.StateOf(run, 1), TaskState::kCancelled);
  EXPECT_EQ(t.StateOf(run, 2), TaskState::kCancelled);
  EXPECT_EQ(t.ReasonOf(run, 0), Reason::kEnding);
  EXPECT_EQ(t.EndOf(run), RunState::kRunning) << "its slot is still taken";
  EXPECT_TRUE(t.Do(CancelRun{run}).status.ok()) << "again does no harm";
  t.Grant(1, 10);
  EXPECT_EQ(t.HeldOf(run), 1);
  t.EndTask(run, 0, Outcome::kFailed, Cause::kCancelled);
  EXPECT_EQ(t.EndOf(run), RunState::kCancelled);
  EXPECT_FALSE(t.Do(CancelRun{run}).status.ok());
}

TEST(DomainRunTest, ARunsTimeoutSkipsTheRestAndFailsIt) {
  DomainFixture t;
  dag::DagSpec spec = MakeDag({MakeTask("a"), MakeTask("b", {0})});
  spec.run_timeout = absl::Seconds(30);
  const DagId dag = t.LoadWith(std::move(spec), 10);
  const RunId run = t.Create(dag);
  t.Advance(absl::Seconds(15));
  t.Settle();
  t.Advance(absl::Seconds(15) - absl::Milliseconds(1));
  EXPECT_THAT(t.Settle().revokes, IsEmpty());
  t.Advance(absl::Milliseconds(1));
  const Effects fx = t.Settle();
  ASSERT_THAT(fx.revokes, SizeIs(1));
  EXPECT_EQ(fx.revokes[0].cause, Cause::kRunTimeout);
  EXPECT_EQ(t.StateOf(run, 1), TaskState::kSkipped);
  t.EndTask(run, 0, Outcome::kFailed, Cause::kRunTimeout);
  EXPECT_EQ(t.EndOf(run), RunState::kFailed);
}

TEST(DomainRunTest, AClockThatIsSetEndsNoRun) {
  DomainFixture t;
  dag::DagSpec spec = MakeDag({MakeTask("a")});
  spec.run_timeout = absl::Seconds(30);
  const DagId dag = t.LoadWith(std::move(spec), 10);
  t.Create(dag);
  t.Settle();
  t.set = absl::Hours(5);
  t.Advance(absl::Seconds(29));
  EXPECT_THAT(t.Settle().revokes, IsEmpty());
}

// The worker measures an attempt's time; its end is the task's own failure.
TEST(DomainRunTest, AnAttemptsTimeoutIsChargedAndTriedAgain) {
  DomainFixture t;
  const DagId dag = t.AddDag(MakeDag({MakeTask("a", {}, [](dag::TaskSettings& s) {
    s.timeout = absl::Seconds(5);
    s.retries.max = 1;
    s.retries.initial = absl::Seconds(1);
  })}));
  t.Load();
  t.Worker(1, 10);
  const RunId run = t.Create(dag);
  const Effects fx = t.EndTask(run, 0, Outcome::kFailed, Cause::kTimeout);
  EXPECT_EQ(fx.batch.completions[0].row.tries, 1);
  EXPECT_EQ(t.StateOf(run, 0), TaskState::kUpForRetry);
  t.Advance(absl::Seconds(1));
  t.Settle();
  t.EndTask(run, 0, Outcome::kFailed, Cause::kTimeout);
  EXPECT_EQ(t.EndOf(run), RunState::kFailed);
}

// ---- Pause, quarantine ----

TEST(DomainRunTest, APausedDagStartsNothingAndGoesOnWhenResumed) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a"), MakeTask("b", {0})}), 10);
  const RunId run = t.Create(dag);
  t.Do(SetDagPaused{dag, true});
  const RunId later = t.Create(dag);
  EXPECT_THAT(t.EndTask(run, 0).assigns, IsEmpty()) << "what runs may end";
  EXPECT_EQ(t.ReasonOf(run, 1), Reason::kDagPaused);
  EXPECT_EQ(t.ReasonOf(later, 0), Reason::kDagPaused);
  t.Do(SetDagPaused{dag, false});
  EXPECT_EQ(t.StateOf(run, 1), TaskState::kLeased);
  EXPECT_EQ(t.StateOf(later, 0), TaskState::kLeased);
}

TEST(DomainRunTest, AQuarantinedRunIsLeftAloneUntilAUserEndsIt) {
  DomainFixture t;
  const DagId dag = t.AddDag(MakeDag({MakeTask("a")}));
  for (int64_t id = 1; id <= 2; ++id) {
    RunRow row;
    row.id = RunId(id);
    row.dag = dag;
    row.version = VersionId(dag.value());
    row.key = "run-" + std::to_string(id);
    row.state = RunState::kRunning;
    t.facts.runs.push_back(row);
  }
  t.options.quarantine[RunId(1)] = "a row was refused";
  t.Load();
  t.Worker(1, 10);
  EXPECT_EQ(t.ReasonOf(RunId(1), 0), Reason::kRunQuarantined);
  EXPECT_EQ(t.StateOf(RunId(2), 0), TaskState::kLeased) << "the others go on";
  EXPECT_EQ(t.domain->Stats().quarantined_runs, 1);
  EXPECT_TRUE(t.Do(CancelRun{RunId(1)}).status.ok());
  EXPECT_EQ(t.EndOf(RunId(1)), RunState::kCancelled);
}

// ---- Keys ----

TEST(DomainRunTest, OneIdempotencyKeyMakesOneRun) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a")}), 10);
  NewRun wanted;
  wanted.dag = dag;
  wanted.idempotency_key = "once";
  wanted.looked_up = t.now().steady;
  const Reply first = t.Do(CreateRuns{{wanted}});
  const Reply again = t.Do(CreateRuns{{wanted}});
  ASSERT_TRUE(again.status.ok());
  EXPECT_EQ(again.runs[0].id, first.runs[0].id);
  EXPECT_TRUE(again.existed[0]);
  t.EndTask(first.runs[0].id, 0);
  EXPECT_EQ(t.Do(CreateRuns{{wanted}}).runs[0].id, first.runs[0].id) << "also after its end";
  wanted.idempotency_key = "another";
  wanted.looked_up = t.now().steady - absl::Seconds(1);
  EXPECT_TRUE(absl::IsAborted(t.Do(CreateRuns{{wanted}}).status)) << "older than the load";
}

TEST(DomainRunTest, AKeyOrALogicalDateIsTakenOnce) {
  DomainFixture t;
  const DagId dag = t.AddDag(MakeDag({MakeTask("a")}));
  t.Load();
  NewRun wanted;
  wanted.dag = dag;
  wanted.key = "k";
  wanted.logical_date_us = 5;
  wanted.looked_up = t.now().steady;
  EXPECT_TRUE(t.Do(CreateRuns{{wanted}}).status.ok());
  wanted.key = "l";
  EXPECT_TRUE(absl::IsAlreadyExists(t.Do(CreateRuns{{wanted}}).status));
  wanted.logical_date_us = 6;
  wanted.key = "k";
  EXPECT_TRUE(absl::IsAlreadyExists(t.Do(CreateRuns{{wanted}}).status));
}

TEST(DomainRunTest, UnfinishedRunsAreBoundedUntilSomeEnd) {
  DomainFixture t;
  t.options.max_backlog_bytes = 2 * BacklogBytes("run-1", "", "") + 100;
  const DagId dag = t.AddDag(MakeDag({MakeTask("a")}));
  t.Load();
  const RunId first = t.Create(dag);
  EXPECT_TRUE(t.Create(dag));
  NewRun more;
  more.dag = dag;
  EXPECT_EQ(t.Do(CreateRuns{{more}}).status.code(), absl::StatusCode::kResourceExhausted);
  // What a user's own transaction has asked for is made all the same.
  Command asked;
  asked.inbox_id = 7;
  asked.body = CreateRuns{{more}};
  t.Apply(std::move(asked));
  EXPECT_THAT(t.Settle().batch.new_runs, SizeIs(1));

  t.Worker(1, 10);
  t.EndTask(first, 0);
  EXPECT_FALSE(t.Create(dag));
  t.EndTask(RunId(first.value() + 1), 0);
  EXPECT_TRUE(t.Create(dag));
}

}  // namespace
}  // namespace penstock::core
