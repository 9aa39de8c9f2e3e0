// One domain, with a database that fails in every way it can.
#include "scheduler/engine/domain_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/service/event.h"
#include "scheduler/engine/errors.h"
#include "scheduler/engine/runner_fixture.h"

namespace penstock::engine {
namespace {

using core::FlushVerdict;
using Plan = FakeDatabase::Plan;

constexpr SchedulerId kSelf(5);

// Hears offers and withdrawals.
class EarStream : public SessionStream {
 public:
  void Offer(DomainId, Epoch, int64_t) override { signal.Announce("offer"); }
  void Withdraw(DomainId, Epoch) override { signal.Announce("withdraw"); }
  void Deliver(DomainId, Epoch, SessionMail) override {}
  void SetFleet(const std::vector<std::string>&) override {}
  testing::TestSignal signal;
};

service::Executor::Options OneThread(const char* name) {
  service::Executor::Options options;
  options.name = name;
  options.threads = 1;
  return options;
}

class DomainRunnerTest : public ::testing::Test {
 protected:
  DomainRunnerTest() {
    dag::TaskSpec task;
    task.id = "a";
    task.kind = dag::TaskKind::kSh;
    task.sh = "true";
    dag::DagSpec spec;
    spec.dag = "d";
    spec.tasks = {task};
    catalog_.SetVersion(spec);
    core::SessionInfo info;
    info.id = SessionId(1);
    EXPECT_TRUE(hub_.Attach(info, ear_).ok());
    core::OwnerProtocol::Options options;
    options.domain = DomainId(1);
    runner_ = std::make_unique<DomainRunner>(
        options, std::make_unique<FakeStore>(database_),
        RunnerLinks{RealClock(), catalog_, versions_, hub_, decoder_, observer_, flushes_, reads_});
    runner_->Start();
  }
  ~DomainRunnerTest() override {
    database_.Go();
    runner_->Stop(absl::ZeroDuration());
    flushes_.Shutdown();
    reads_.Shutdown();
  }

  // Takes the domain and waits until workers hear of it.
  void Own() {
    runner_->Take(kSelf);
    ASSERT_TRUE(ear_->signal.WaitFor("offer", ++offers_));
    Observe(kSelf);
  }
  void Observe(SchedulerId owner, int64_t epoch = 1) {
    runner_->Observe(Epoch(epoch), owner, kSelf, RealClock().Steady(), absl::Seconds(30));
  }
  void Ask(Answer* answer) {
    core::NewRun run;
    run.dag = DagId(1);
    runner_->Execute(core::CreateRuns{{run}}, "", answer->Taker());
  }
  core::Reply Create() {
    Answer answer;
    Ask(&answer);
    return answer.Wait();
  }
  absl::Status Read() {
    Answer answer;  // only its status is used
    const auto done = answer.Taker();
    runner_->Read([](const core::Domain&) {},
                  [&](absl::Status status) {
                    core::Reply reply;
                    reply.status = std::move(status);
                    done(std::move(reply));
                  });
    return answer.Wait().status;
  }

  FakeCatalog catalog_;
  FakeDatabase database_{catalog_};
  VersionLoader versions_{catalog_};
  SessionHub hub_{RealClock()};
  FakeDecoder decoder_;
  SilentObserver observer_;
  service::Executor flushes_{OneThread("flush")};
  service::Executor reads_{OneThread("read")};
  std::shared_ptr<EarStream> ear_ = std::make_shared<EarStream>();
  std::unique_ptr<DomainRunner> runner_;
  int offers_ = 0;
};

TEST_F(DomainRunnerTest, RefusesWhatItDoesNotOwn) {
  EXPECT_TRUE(IsNotOwner(Create().status));
  EXPECT_TRUE(IsNotOwner(Read()));
  EXPECT_FALSE(runner_->LeaseHolds(RealClock().Steady()));
}

TEST_F(DomainRunnerTest, AnswersACommandAfterItsCommitAndNotBefore) {
  Own();
  database_.Hold();
  Answer answer;
  Ask(&answer);
  ASSERT_TRUE(database_.signal.WaitFor("flush"));
  EXPECT_EQ(answer.count(), 0);
  Answer read;
  runner_->Read([](const core::Domain&) {},
                [done = read.Taker()](const absl::Status& status) {
                  core::Reply reply;
                  reply.status = status;
                  done(std::move(reply));
                });
  EXPECT_EQ(read.count(), 0) << "nobody may see what is not durable";
  database_.Go();
  EXPECT_TRUE(answer.Wait().status.ok());
  EXPECT_TRUE(read.Wait().status.ok());
  EXPECT_TRUE(runner_->LeaseHolds(RealClock().Steady()));
}

struct FlushCase {
  const char* name;
  Plan plan;
};

TEST_F(DomainRunnerTest, WorksOnWhileNoDatabaseThreadIsFree) {
  Own();
  service::Event busy, release;
  ASSERT_TRUE(flushes_.TryPost([&] {
    busy.Set();
    release.Wait();
  }));
  busy.Wait();
  EXPECT_TRUE(Read().ok()) << "the domain's own thread answers";
  Answer answer;
  Ask(&answer);
  EXPECT_EQ(answer.count(), 0) << "its flush waits for a thread";
  release.Set();
  EXPECT_TRUE(answer.Wait().status.ok());
}

TEST_F(DomainRunnerTest, ABusyDomainLeavesTheDatabaseThreadToOthers) {
  Own();
  database_.Hold();
  Answer first, second;
  Ask(&first);
  ASSERT_TRUE(database_.signal.WaitFor("flush"));
  Ask(&second);  // the next statement is known before the one under way has ended
  service::Event other;
  int flushes_before = -1;
  ASSERT_TRUE(flushes_.TryPost([&] {
    flushes_before = second.count();
    other.Set();
  }));
  database_.Go();
  other.Wait();
  EXPECT_TRUE(first.Wait().status.ok());
  EXPECT_EQ(flushes_before, 0) << "the other's statement came before the domain's second one";
  EXPECT_TRUE(second.Wait().status.ok());
}

class FailedFlushTest : public DomainRunnerTest, public ::testing::WithParamInterface<FlushCase> {};

// Whatever becomes of the flush, the run is made once and the answer is its own.
TEST_P(FailedFlushTest, ACommandIsDoneExactlyOnce) {
  Own();
  database_.PlanFlushes({GetParam().plan});
  const core::Reply reply = Create();
  ASSERT_TRUE(reply.status.ok()) << reply.status;
  EXPECT_EQ(database_.flushes_with(reply.runs[0].id), 1);
  EXPECT_EQ(database_.runs(), 1u);
  EXPECT_TRUE(ear_->signal.WaitFor("offer", offers_ + 1)) << "workers say hello again";
  EXPECT_TRUE(runner_->owner());
  EXPECT_TRUE(Create().status.ok());
}

INSTANTIATE_TEST_SUITE_P(
    Table, FailedFlushTest,
    ::testing::Values(FlushCase{"unknown_and_written", {FlushVerdict::kUnknown, true, {}}},
                      FlushCase{"unknown_and_not_written", {FlushVerdict::kUnknown, false, {}}},
                      FlushCase{"failed", {FlushVerdict::kFailed, false, {}}},
                      FlushCase{"rejected_once", {FlushVerdict::kRejected, false, {}}}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_F(DomainRunnerTest, AFencedFlushEndsTheOwnership) {
  Own();
  database_.PlanFlushes({{FlushVerdict::kFenced, false, {}}});
  const core::Reply reply = Create();
  EXPECT_TRUE(absl::IsUnavailable(reply.status)) << reply.status;
  EXPECT_FALSE(IsInDoubt(reply.status)) << "certainly not decided";
  EXPECT_TRUE(ear_->signal.WaitFor("withdraw"));
  EXPECT_TRUE(IsNotOwner(Create().status));
  EXPECT_FALSE(runner_->owner());
}

TEST_F(DomainRunnerTest, AHigherEpochSeenAnywhereEndsTheOwnership) {
  Own();
  ASSERT_TRUE(Create().status.ok());
  Observe(SchedulerId(6), 2);
  EXPECT_TRUE(ear_->signal.WaitFor("withdraw"));
  EXPECT_FALSE(runner_->LeaseHolds(RealClock().Steady()));
  EXPECT_TRUE(IsNotOwner(Create().status));
}

// The outstanding flush still points into the domain's memory.
TEST_F(DomainRunnerTest, AHigherEpochDuringAFlushWaitsForItsAnswer) {
  Own();
  database_.Hold();
  Answer answer;
  Ask(&answer);
  ASSERT_TRUE(database_.signal.WaitFor("flush"));
  Observe(SchedulerId(6), 2);
  EXPECT_TRUE(IsNotOwner(Create().status)) << "nothing is decided any more";
  database_.Go();
  const absl::Status status = answer.Wait().status;
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_TRUE(IsInDoubt(status)) << "it was committed, and may not be acted upon";
  EXPECT_TRUE(ear_->signal.WaitFor("withdraw"));
}

TEST_F(DomainRunnerTest, AHigherEpochDuringAFlushThatFailsLeavesNoDoubt) {
  Own();
  database_.Hold();
  database_.PlanFlushes({{FlushVerdict::kFailed, false, {}}});
  Answer answer;
  Ask(&answer);
  ASSERT_TRUE(database_.signal.WaitFor("flush"));
  Observe(SchedulerId(6), 2);
  database_.Go();
  const absl::Status status = answer.Wait().status;
  EXPECT_TRUE(absl::IsUnavailable(status) && !IsInDoubt(status)) << status;
}

TEST_F(DomainRunnerTest, WhatWaitsForAHangingDatabaseCanBeGivenUp) {
  Own();
  database_.Hold();
  Answer command, read;
  Ask(&command);
  ASSERT_TRUE(database_.signal.WaitFor("flush"));
  runner_->Read([](const core::Domain&) {},
                [done = read.Taker()](const absl::Status& status) {
                  core::Reply reply;
                  reply.status = status;
                  done(std::move(reply));
                });
  EXPECT_EQ(command.count() + read.count(), 0);
  runner_->GiveUpWaiting();
  EXPECT_TRUE(IsInDoubt(command.Wait().status)) << "it may be committed yet";
  EXPECT_TRUE(absl::IsUnavailable(read.Wait().status));
  database_.Go();
  EXPECT_TRUE(Create().status.ok());
  EXPECT_EQ(command.count(), 1) << "nobody is answered twice";
  EXPECT_EQ(database_.runs(), 2u) << "the one that was given up was carried out";
}

TEST_F(DomainRunnerTest, ATakeoverThatFailsLeavesItAFollowerThatMayTryAgain) {
  database_.PlanLoads({absl::UnavailableError("no connection")});
  runner_->Take(kSelf);
  ASSERT_TRUE(database_.signal.WaitFor("load"));
  EXPECT_TRUE(IsNotOwner(Create().status));
  Own();
  EXPECT_TRUE(Create().status.ok());
}

TEST_F(DomainRunnerTest, ATakeoverThatSomebodyElseWonIsNoOwnership) {
  database_.PlanLoads({absl::AbortedError("another scheduler was faster")});
  runner_->Take(kSelf);
  ASSERT_TRUE(database_.signal.WaitFor("load"));
  EXPECT_TRUE(IsNotOwner(Create().status));
  EXPECT_FALSE(runner_->owner());
}

TEST_F(DomainRunnerTest, AReloadIsTriedUntilItSucceedsAndCommandsWaitForIt) {
  Own();
  database_.PlanLoads({absl::UnavailableError("down"), absl::UnavailableError("down")});
  database_.PlanFlushes({{FlushVerdict::kFailed, false, {}}});
  const core::Reply reply = Create();
  EXPECT_TRUE(reply.status.ok()) << reply.status;
  EXPECT_EQ(database_.signal.Count("load"), 4) << "a takeover, two failures, a reload";
  EXPECT_EQ(ear_->signal.Count("withdraw"), 0) << "it stayed the owner";
}

TEST_F(DomainRunnerTest, AReloadThatFindsAnotherOwnerEndsTheOwnership) {
  Own();
  database_.PlanLoads({absl::AbortedError("another owner")});
  database_.PlanFlushes({{FlushVerdict::kUnknown, false, {}}});
  const core::Reply reply = Create();
  EXPECT_TRUE(absl::IsUnavailable(reply.status)) << reply.status;
  EXPECT_TRUE(IsInDoubt(reply.status)) << "the other owner knows, this one does not";
  EXPECT_TRUE(ear_->signal.WaitFor("withdraw"));
}

TEST_F(DomainRunnerTest, ALoadWhoseVersionsCannotBeReadIsAFailedLoad) {
  Own();
  ASSERT_TRUE(Create().status.ok());
  runner_->HandOver();
  ASSERT_TRUE(ear_->signal.WaitFor("withdraw"));
  // The run that was made needs its version now, and nobody holds the compiled one any more.
  catalog_.FailVersions({absl::DataLossError("garbled")});
  runner_->Observe(Epoch(1), SchedulerId(), kSelf, RealClock().Steady(), absl::Seconds(1));
  runner_->Take(kSelf);
  ASSERT_TRUE(database_.signal.WaitFor("load", 2));
  EXPECT_TRUE(IsNotOwner(Create().status));
  runner_->Observe(Epoch(2), SchedulerId(), kSelf, RealClock().Steady(), absl::Seconds(1));
  runner_->Take(kSelf);
  ASSERT_TRUE(ear_->signal.WaitFor("offer", 2));
  EXPECT_TRUE(Create().status.ok());
}

TEST_F(DomainRunnerTest, ACommandThatCannotBeStoredIsSetAside) {
  Own();
  std::deque<Plan> plans(10, Plan{FlushVerdict::kRejected, false, {}});
  database_.PlanFlushes(plans);
  const core::Reply reply = Create();
  EXPECT_TRUE(absl::IsInternal(reply.status)) << reply.status;
  database_.PlanFlushes({});
  EXPECT_TRUE(Create().status.ok()) << "the others go on";
}

TEST_F(DomainRunnerTest, InboxRowsAreCarriedOutAndConsumedOnce) {
  Own();
  catalog_.AddInbox(7);
  catalog_.AddInbox(-3);
  runner_->InboxHint();
  ASSERT_TRUE(database_.signal.WaitFor("flush"));
  while (database_.consumed().size() < 2) {
    runner_->InboxHint();
    ASSERT_TRUE(Create().status.ok());
  }
  EXPECT_THAT(database_.consumed(), ::testing::UnorderedElementsAre(7, -3));
}

TEST_F(DomainRunnerTest, StopLetsGoInOrderAndAnswersWhatWaits) {
  Own();
  ASSERT_TRUE(Create().status.ok());
  EXPECT_EQ(database_.owner(), kSelf);
  runner_->Stop(absl::Seconds(20));
  EXPECT_EQ(database_.owner(), SchedulerId());
  EXPECT_EQ(ear_->signal.Count("withdraw"), 1);
  EXPECT_FALSE(runner_->owner());
}

}  // namespace
}  // namespace penstock::engine
