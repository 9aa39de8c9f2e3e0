// Workers' sessions: trusted for a while, heard, lost. And what an explanation says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/core/domain_fixture.h"

namespace penstock::core {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class DomainSessionTest : public ::testing::Test {
 protected:
  void Start(int tasks = 1) {
    dag_ = t_.AddDag(MakeWideDag(tasks));
    t_.Load();
    t_.Worker(1, 10);
    run_ = t_.Create(dag_);
    ASSERT_EQ(t_.HeldOf(run_), tasks);
  }

  DomainFixture t_;
  DagId dag_;
  RunId run_;
};

TEST_F(DomainSessionTest, ASilentOneIsLostAfterItsTermAndItsWorkGoesElsewhere) {
  Start();
  t_.Sleep(t_.options.terms.silence() - absl::Milliseconds(1));
  EXPECT_THAT(t_.Settle().ended, IsEmpty());
  EXPECT_EQ(t_.domain->NextSteady(), t_.now().steady + absl::Milliseconds(1));
  t_.Sleep(absl::Milliseconds(1));
  const Effects fx = t_.Settle();
  EXPECT_THAT(fx.ended, SizeIs(1));
  ASSERT_THAT(fx.batch.completions, SizeIs(1));
  EXPECT_EQ(fx.batch.completions[0].row.cause, Cause::kWorkerLost);
  EXPECT_EQ(t_.StateOf(run_, 0), TaskState::kReady);
  EXPECT_THAT(t_.Worker(2, 10).assigns, SizeIs(1));
  EXPECT_EQ(t_.AttemptOf(run_, 0), 2);
}

TEST_F(DomainSessionTest, AConfirmedRenewalCountsFromWhenItWasGiven) {
  Start();
  const SteadyTime at = t_.now().steady;
  t_.Sleep(absl::Seconds(10));
  t_.Apply(SessionConfirmed{SessionId(1), at + absl::Seconds(5)});
  EXPECT_EQ(t_.domain->NextSteady(), at + absl::Seconds(5) + t_.options.terms.silence());
}

TEST_F(DomainSessionTest, AProvenDeathIsActedUponAtOnce) {
  Start();
  t_.Apply(SessionDead{SessionId(1)});
  EXPECT_THAT(t_.Settle().batch.completions, SizeIs(1));
  EXPECT_EQ(t_.StateOf(run_, 0), TaskState::kReady);
}

TEST_F(DomainSessionTest, TheResultOfALostSessionIsRefused) {
  Start();
  const AttemptRef ref = t_.held.begin()->first;
  t_.Apply(SessionDead{SessionId(1)});
  t_.Settle();
  EXPECT_THAT(t_.End(ref).batch.completions, IsEmpty());
  EXPECT_EQ(t_.StateOf(run_, 0), TaskState::kReady);
}

// The hello was on its way when the session was lost: nobody would ever answer what is sent to it.
TEST_F(DomainSessionTest, AHelloOfASessionThatHasEndedDoesNotBringItBack) {
  Start();
  t_.held.clear();
  t_.Sleep(t_.options.terms.silence());
  EXPECT_THAT(t_.Settle().ended, SizeIs(1));
  const Effects fx = t_.Worker(1, 10);
  EXPECT_THAT(fx.ended, SizeIs(1)) << "it is told again";
  EXPECT_THAT(fx.assigns, IsEmpty());
  EXPECT_THAT(t_.domain->Sessions(), IsEmpty());
  t_.Apply(SessionDead{SessionId(2)});
  EXPECT_THAT(t_.Worker(2, 10).assigns, IsEmpty()) << "its death was heard of before its hello";
}

TEST_F(DomainSessionTest, AHelloSettlesWhatIsHeldAndWhatIsNot) {
  Start(3);
  auto it = t_.held.begin();
  const AttemptRef lost = it->first;
  const AttemptRef ended = std::next(it)->first;
  const AttemptRef unknown{{run_, 2, -1}, 7};
  SessionHello hello;
  hello.info = t_.Info(1);
  hello.binding = BindingId(900);
  hello.running = {AttemptRef{{run_, 2, -1}, 1}, unknown};
  AttemptResult result;
  result.ref = ended;
  result.outcome = Outcome::kSuccess;
  hello.unacknowledged = {result};
  t_.Apply(hello);
  const Effects fx = t_.Settle();
  EXPECT_EQ(t_.StateOf(run_, lost.key.task), TaskState::kReady) << "was never delivered";
  EXPECT_EQ(t_.StateOf(run_, ended.key.task), TaskState::kSuccess);
  EXPECT_EQ(t_.StateOf(run_, 2), TaskState::kLeased);
  ASSERT_THAT(fx.revokes, SizeIs(1)) << "what it holds without a lease is to be killed";
  EXPECT_EQ(fx.revokes[0].ref, unknown);
  EXPECT_THAT(fx.acks, SizeIs(1));
}

TEST_F(DomainSessionTest, CreditsOfAnEarlierBindingDoNotCount) {
  dag_ = t_.AddDag(MakeWideDag(5));
  t_.Load();
  t_.Worker(1, 0);
  const BindingId first = t_.binding.at(SessionId(1));
  t_.Worker(1, 0);
  t_.Create(dag_);
  t_.Apply(CreditsGranted{SessionId(1), first, 5});
  EXPECT_THAT(t_.Settle().assigns, IsEmpty());
  EXPECT_THAT(t_.Grant(1, 2).assigns, SizeIs(2));
}

// ---- After a load ----

class LoadedSessionTest : public DomainSessionTest {
 protected:
  // A run with one lease of session 1, whose last hello was to `hello_epoch`.
  void Load(Epoch hello_epoch) {
    dag_ = t_.AddDag(MakeWideDag(1));
    RunRow row;
    row.id = run_ = RunId(50);
    row.dag = dag_;
    row.version = VersionId(dag_.value());
    row.state = RunState::kRunning;
    t_.facts.runs.push_back(row);
    TaskRow task;
    task.key = {run_, 0, -1};
    task.state = TaskState::kLeased;
    task.attempt = 1;
    task.session = SessionId(1);
    t_.facts.tasks.push_back(task);
    t_.facts.sessions.push_back({t_.Info(1), hello_epoch});
    t_.held[{task.key, 1}] = SessionId(1);
    t_.facts.epoch = Epoch(5);
    t_.Load();
  }
};

TEST_F(LoadedSessionTest, OneOfAFormerOwnerIsTrustedForTheTakeoverWait) {
  t_.options.epochs_seen[Epoch(5)] = t_.now().steady;
  Load(Epoch(4));
  EXPECT_EQ(t_.domain->NextSteady(), t_.now().steady + t_.options.terms.takeover_wait());
  t_.Sleep(t_.options.terms.takeover_wait());
  t_.Settle();
  EXPECT_EQ(t_.StateOf(run_, 0), TaskState::kReady);
}

TEST_F(LoadedSessionTest, TheWaitCountsFromTheFirstLaterEpochThatWasSeen) {
  t_.options.epochs_seen[Epoch(4)] = t_.now().steady - absl::Seconds(7);
  t_.options.epochs_seen[Epoch(5)] = t_.now().steady;
  Load(Epoch(3));
  EXPECT_EQ(t_.domain->NextSteady(),
            t_.now().steady - absl::Seconds(7) + t_.options.terms.takeover_wait());
}

TEST_F(LoadedSessionTest, AReloadKeepsTheTrustThatItHad) {
  t_.options.trust[SessionId(1)] = t_.now().steady + absl::Seconds(3);
  Load(Epoch(5));
  EXPECT_EQ(t_.domain->NextSteady(), t_.now().steady + absl::Seconds(3));
}

// The flush that ended it failed: it need not be waited for again.
TEST_F(LoadedSessionTest, AReloadKeepsThatASessionHasEnded) {
  Start();
  t_.Apply(SessionDead{SessionId(1)});
  t_.options.trust = t_.domain->Trust();
  t_.facts.dags.clear();
  Load(Epoch(5));
  EXPECT_EQ(t_.StateOf(run_, 0), TaskState::kReady);
}

TEST_F(LoadedSessionTest, ItsHelloTakesTheLeaseOver) {
  Load(Epoch(4));
  t_.Worker(1, 5);
  EXPECT_EQ(t_.StateOf(run_, 0), TaskState::kLeased);
  t_.EndTask(run_, 0);
  EXPECT_EQ(t_.EndOf(run_), RunState::kSuccess);
}

// What the lost part of the domain's life may have used is not used again.
TEST_F(LoadedSessionTest, AttemptsOfANewLifeHaveHigherNumbers) {
  t_.facts.first_attempt = 5000;
  Load(Epoch(4));
  t_.Sleep(t_.options.terms.takeover_wait());
  t_.Worker(2, 5);
  EXPECT_EQ(t_.StateOf(run_, 0), TaskState::kLeased);
  EXPECT_EQ(t_.AttemptOf(run_, 0), 5001);
}

// ---- Explanations ----

TEST(ExplainTest, SaysWhatHoldsAnInstance) {
  DomainFixture t;
  t.AddPool("one", 1);
  t.AddPool("tiny", 0);
  const DagId dag = t.AddDag(MakeDag({
      MakeTask("a", {}, InPool("one")),
      MakeTask("b", {}, InPool("one")),
      MakeTask("c", {0}),
      MakeTask("d", {}, InPool("tiny")),
      MakeTask("e", {}, [](dag::TaskSettings& s) { s.queue = "elsewhere"; }),
      MakeTask("f", {}, [](dag::TaskSettings& s) { s.resources.memory_bytes = 1000; }),
      MakeTask("g"),
  }));
  t.Load();
  SessionInfo info = t.Info(1);
  info.memory_bytes = 10;
  t.Hello(info, 1);
  const RunId run = t.Create(dag);
  const std::map<int, Reason> expected = {
      {0, Reason::kLeased},       {1, Reason::kBlockedPool}, {2, Reason::kWaitingUpstream},
      {3, Reason::kPoolTooSmall}, {4, Reason::kNoWorker},    {5, Reason::kNoMatchingWorker},
      {6, Reason::kWorkersBusy},
  };
  for (const auto& [task, reason] : expected) {
    EXPECT_EQ(ToString(t.ReasonOf(run, task)), ToString(reason)) << "task " << task;
    EXPECT_FALSE(t.domain->Explain({run, task, -1}).sentence.empty());
  }
  t.Apply(AttemptStarted{SessionId(1), {{run, 0, -1}, 1}, 5});
  EXPECT_EQ(t.ReasonOf(run, 0), Reason::kRunning);
  EXPECT_EQ(t.ReasonOf(RunId(99), 0), Reason::kRemoved);
  EXPECT_EQ(t.ReasonOf(run, 99), Reason::kRemoved);
  t.EndTask(run, 0);
  EXPECT_EQ(t.ReasonOf(run, 0), Reason::kSuccess);
}

// ---- States ----

TEST(StatesTest, EndingsAreLeftByUsersOnlyAndForWaitingOnly) {
  for (int from = 0; from < kTaskStateCount; ++from) {
    for (int to = 0; to < kTaskStateCount; ++to) {
      const auto a = static_cast<TaskState>(from);
      const auto b = static_cast<TaskState>(to);
      if (!IsTerminal(a)) continue;
      EXPECT_FALSE(TransitionAllowed(a, b, false));
      EXPECT_EQ(TransitionAllowed(a, b, true), b == TaskState::kWaiting);
    }
  }
}

}  // namespace
}  // namespace penstock::core
