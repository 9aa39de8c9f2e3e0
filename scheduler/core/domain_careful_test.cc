// One run at a time, and runs that are left alone.
#include <gtest/gtest.h>

#include "scheduler/core/domain_fixture.h"

namespace penstock::core {
namespace {

class DomainCarefulTest : public ::testing::Test {
 protected:
  static RunRow Running(int64_t id, DagId dag) {
    RunRow row;
    row.id = RunId(id);
    row.dag = dag;
    row.version = VersionId(dag.value());
    row.state = RunState::kRunning;
    return row;
  }
  static TaskRow LeasedTo(SessionId session, RunId run, int32_t task) {
    TaskRow row;
    row.key = {run, task, -1};
    row.state = TaskState::kLeased;
    row.attempt = 1;
    row.session = session;
    return row;
  }
  // Two running runs of a DAG, loaded carefully.
  void LoadTwo(dag::DagSpec spec) {
    const DagId dag = t_.AddDag(std::move(spec));
    t_.facts.runs = {Running(1, dag), Running(2, dag)};
    t_.options.careful = true;
    t_.Load();
  }
  // Gives turns until no run wants one; the runs that had them.
  std::vector<RunId> GiveTurns() {
    std::vector<RunId> given;
    while (const auto run = t_.domain->WantsTurn(t_.now())) {
      if (given.size() == 100) break;  // one that wants turns for ever
      given.push_back(*run);
      t_.Apply(RunTurn{*run});
      t_.Settle();
    }
    return given;
  }

  const RunId one_{1};
  const RunId two_{2};
  DomainFixture t_;
};

TEST_F(DomainCarefulTest, NothingIsDecidedAboutARunOutOfItsTurn) {
  LoadTwo(MakeDag({MakeTask("a")}));
  t_.Worker(1, 10);
  EXPECT_FALSE(t_.domain->AllBegun());
  EXPECT_EQ(t_.StateOf(one_, 0), TaskState::kWaiting);
  t_.Apply(RunTurn{two_});
  t_.Settle();
  EXPECT_EQ(t_.StateOf(two_, 0), TaskState::kLeased);
  EXPECT_EQ(t_.StateOf(one_, 0), TaskState::kWaiting);
  EXPECT_EQ(t_.domain->WantsTurn(t_.now()), one_);
  EXPECT_EQ(GiveTurns(), std::vector<RunId>{one_});
  EXPECT_EQ(t_.StateOf(one_, 0), TaskState::kLeased);
  EXPECT_TRUE(t_.domain->AllBegun());
}

TEST_F(DomainCarefulTest, WhatFindsAWorkerLaterIsGivenOutInItsRunsTurn) {
  LoadTwo(MakeDag({MakeTask("a")}));
  EXPECT_EQ(GiveTurns(), (std::vector<RunId>{one_, two_}));
  t_.Worker(1, 1);
  EXPECT_EQ(t_.HeldOf(one_) + t_.HeldOf(two_), 0);
  EXPECT_EQ(GiveTurns(), std::vector<RunId>{one_}) << "there is one slot";
  EXPECT_EQ(t_.HeldOf(one_), 1);
}

TEST_F(DomainCarefulTest, LeasesOfALostSessionEndInTheTurnsOfTheirRuns) {
  t_.facts.tasks = {LeasedTo(SessionId(1), one_, 0), LeasedTo(SessionId(1), two_, 0)};
  t_.facts.sessions = {{t_.Info(1), Epoch(1)}};
  LoadTwo(MakeDag({MakeTask("a")}));
  GiveTurns();
  t_.Apply(SessionDead{SessionId(1)});
  EXPECT_TRUE(t_.Settle().batch.completions.empty());
  EXPECT_EQ(GiveTurns(), (std::vector<RunId>{one_, two_}));
  EXPECT_EQ(t_.StateOf(one_, 0), TaskState::kReady);
  EXPECT_EQ(t_.StateOf(two_, 0), TaskState::kReady);
  EXPECT_TRUE(t_.domain->NextSteady() == SteadyTime::Infinite());
}

TEST_F(DomainCarefulTest, AQueuedRunStartsInItsOwnTurn) {
  dag::DagSpec spec = MakeDag({MakeTask("a")});
  spec.max_active_runs = 1;
  const DagId dag = t_.AddDag(std::move(spec));
  t_.facts.runs = {Running(1, dag), Running(2, dag)};
  t_.facts.runs[1].state = RunState::kQueued;
  t_.options.careful = true;
  t_.Load();
  t_.Worker(1, 10);
  GiveTurns();
  t_.EndTask(one_, 0);
  EXPECT_EQ(t_.EndOf(one_), RunState::kSuccess);
  EXPECT_EQ(t_.StateOf(two_, 0), TaskState::kWaiting);
  GiveTurns();
  EXPECT_EQ(t_.StateOf(two_, 0), TaskState::kLeased);
}

TEST_F(DomainCarefulTest, AfterwardsAllGoesOnByItself) {
  LoadTwo(MakeDag({MakeTask("a"), MakeTask("b", {0})}));
  GiveTurns();
  t_.Worker(1, 10);
  t_.domain->EndCare(t_.now());
  t_.Settle();
  EXPECT_EQ(t_.HeldOf(one_) + t_.HeldOf(two_), 2);
}

// What it holds of limits stays taken, and what its workers say is kept by them, until a user
// decides.
TEST_F(DomainCarefulTest, AQuarantinedRunKeepsItsLeasesAndTakesNoResults) {
  t_.AddPool("one", 1);
  const DagId dag = t_.AddDag(MakeDag({MakeTask("a", {}, InPool("one")), MakeTask("b", {0})}));
  t_.Load();
  t_.Worker(1, 10);
  const RunId run = t_.Create(dag);
  const AttemptRef ref = t_.held.begin()->first;
  t_.facts.runs = {Running(run.value(), dag)};
  t_.facts.runs[0].quarantined = true;
  t_.facts.tasks = {LeasedTo(SessionId(1), run, 0)};
  t_.facts.sessions = {{t_.Info(1), Epoch(1)}};
  t_.Load();
  EXPECT_EQ(t_.PoolUsed("one"), 1);
  t_.Worker(1, 10);
  AttemptResult result;
  result.ref = ref;
  result.outcome = Outcome::kSuccess;
  t_.Apply(AttemptEnded{SessionId(1), result});
  t_.Apply(SessionDead{SessionId(1)});
  Effects fx = t_.Settle();
  EXPECT_TRUE(fx.acks.empty() && fx.batch.completions.empty());
  EXPECT_EQ(t_.StateOf(run, 0), TaskState::kLeased);
  EXPECT_TRUE(t_.Do(RetryRun{run, nullptr}).status.ok());
  EXPECT_EQ(t_.StateOf(run, 0), TaskState::kReady) << "its session has died meanwhile";
  EXPECT_EQ(t_.PoolUsed("one"), 0);
  t_.held.clear();
  t_.Worker(2, 10);
  t_.EndTask(run, 0);
  t_.EndTask(run, 1);
  EXPECT_EQ(t_.EndOf(run), RunState::kSuccess);
}

TEST_F(DomainCarefulTest, AQuarantinedRunThatWasBeingCancelledCanBeCancelledAgain) {
  const DagId dag = t_.AddDag(MakeDag({MakeTask("a")}));
  t_.facts.runs = {Running(1, dag)};
  t_.facts.runs[0].intent = RunIntent::kCancel;
  t_.facts.runs[0].quarantined = true;
  t_.Load();
  EXPECT_EQ(t_.EndOf(one_), RunState::kRunning);
  EXPECT_TRUE(t_.Do(CancelRun{one_}).status.ok());
  EXPECT_EQ(t_.EndOf(one_), RunState::kCancelled);
}

}  // namespace
}  // namespace penstock::core
