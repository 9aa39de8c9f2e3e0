// Unknown outcomes, killed and stopped backends, takeovers in the middle of a flush. These change
// settings of the whole server or signal its processes, so the cluster is their own.
#include <signal.h>

#include <atomic>
#include <functional>

#include "absl/time/clock.h"
#include "common/service/thread.h"
#include "common/testing/pg_cluster.h"
#include "gmock/gmock.h"
#include "scheduler/store/pg/fleet_store.h"
#include "scheduler/store/pg/pg_test_base.h"

namespace penstock::pg {
namespace {

using core::FlushBatch;
using store::FlushVerdict;

constexpr SessionId kSession(41);
constexpr absl::Duration kPatience = absl::Seconds(20);

// Polls until `condition` holds; false when it does not in time.
bool Eventually(const std::function<bool()>& condition) {
  const SteadyTime deadline = RealClock().Steady() + kPatience;
  while (!condition()) {
    if (RealClock().Steady() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

class OutageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto cluster = testing::TestCluster::Start();
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = cluster->release();
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  OutageTest() : admin_(cluster_->Dsn("postgres") + " options='-c synchronous_commit=off'") {
    static std::atomic<int> count{0};
    name_ = "outage" + std::to_string(++count);
    Admin("create database " + name_);
    EXPECT_TRUE(MigrateForTest(cluster_->Dsn(name_)).ok());
    database_ = *Database::Create(OutageOptions());
    ns_ = *PgCatalog(*database_).CreateNamespace("team", std::nullopt, 1);
    owner_ = std::make_unique<Owner>(*database_, ns_.domain);
    FlushBatch batch;
    dag_ = {DagId(1), ns_.id, "d", false, VersionId(1), 16};
    batch.dags.push_back({dag_, false});
    batch.sessions.push_back(MakeSession(kSession.value(), "w1"));
    owner_->MustFlush(batch);
    batch_.new_runs.push_back(owner_->NewRun(dag_, "r"));
    batch_.dispatches.push_back(MakeDispatch({batch_.new_runs[0].id, 0, -1}, 1, kSession));
  }
  ~OutageTest() override {
    owner_.reset();
    database_.reset();
    Admin("drop database " + name_ + " with (force)");
  }

  Options OutageOptions() const {
    Options options;
    options.dsn = cluster_->Dsn(name_);
    options.bound = absl::Seconds(10);
    options.application_name = name_;
    return options;
  }
  pqxx::result Admin(const std::string& sql) {
    pqxx::nontransaction transaction(admin_);
    return transaction.exec(sql);
  }
  int64_t AdminInt(const std::string& sql) { return Admin(sql)[0][0].as<int64_t>(0); }
  // Backends of this test's scheduler that `condition` holds for.
  std::string Backends(const std::string& condition) const {
    return "from pg_stat_activity where application_name = '" + name_ + "' and " + condition;
  }
  bool SomeBackend(const std::string& condition) {
    return Eventually([&] { return AdminInt("select count(*) " + Backends(condition)) > 0; });
  }
  void SetStandby(const std::string& value) {
    Admin("alter system set synchronous_standby_names = '" + value + "'");
    Admin("select pg_reload_conf()");
    EXPECT_TRUE(Eventually([&] {
      pqxx::connection fresh(cluster_->Dsn("postgres"));
      pqxx::nontransaction transaction(fresh);
      return transaction.exec("show synchronous_standby_names")[0][0].c_str() == value;
    }));
  }
  // Flushes batch_ and does `meanwhile` to the server.
  store::FlushResult FlushAnd(const std::function<void()>& meanwhile) {
    store::FlushResult result;
    service::Thread flusher(
        "flusher", [&] { result = owner_->store.Flush(owner_->epoch, InDoubt(), batch_); });
    meanwhile();
    flusher.Join();
    return result;
  }
  FlushSeq InDoubt() const { return FlushSeq(owner_->seq.value() + 1); }
  // A transaction that holds the session's row, so that a flush which upserts it waits.
  std::unique_ptr<pqxx::connection> HoldSessionRow() {
    batch_.sessions.push_back(MakeSession(kSession.value(), "w1"));
    auto blocker = std::make_unique<pqxx::connection>(cluster_->Dsn(name_));
    pqxx::nontransaction transaction(*blocker);
    transaction.exec("begin; update penstock.worker_session set slots = 9");
    return blocker;
  }
  void ExpectNotCommitted(const core::LoadResult& load, FlushSeq in_doubt) {
    EXPECT_EQ(load.in_doubt_committed, std::optional<bool>(false));
    EXPECT_EQ(load.facts.flush_seq, in_doubt);
    EXPECT_TRUE(load.facts.runs.empty());
    owner_->MustFlush(batch_);
    EXPECT_EQ(owner_->Reload().facts.tasks.size(), 1U);
  }
  void ExpectCommitted(const core::LoadResult& load, FlushSeq in_doubt) {
    EXPECT_EQ(load.in_doubt_committed, std::optional<bool>(true));
    EXPECT_EQ(load.facts.flush_seq.value(), in_doubt.value() + 1);
    EXPECT_EQ(load.facts.tasks.size(), 1U);
    owner_->MustFlush(FlushBatch());
  }

  static testing::TestCluster* cluster_;
  pqxx::connection admin_;
  std::string name_;
  std::unique_ptr<Database> database_;
  store::NamespaceRecord ns_;
  core::DagRow dag_;
  std::unique_ptr<Owner> owner_;
  FlushBatch batch_;  // a run with one dispatch, not flushed yet
};

testing::TestCluster* OutageTest::cluster_ = nullptr;

TEST_F(OutageTest, ACommitWhoseAnswerWasLostIsFoundToHaveHappened) {
  SetStandby("nobody");
  const FlushSeq in_doubt = InDoubt();
  const auto result = FlushAnd([&] {
    EXPECT_TRUE(SomeBackend("wait_event = 'SyncRep'"));
    Admin("select pg_terminate_backend(pid) " + Backends("wait_event = 'SyncRep'"));
  });
  EXPECT_EQ(result.verdict, FlushVerdict::kUnknown) << result.status;
  SetStandby("");
  ExpectCommitted(owner_->Reload(in_doubt), in_doubt);
}

TEST_F(OutageTest, ACancelledWaitForTheStandbyIsNoSuccess) {
  SetStandby("nobody");
  const FlushSeq in_doubt = InDoubt();
  const auto result = FlushAnd([&] {
    EXPECT_TRUE(SomeBackend("wait_event = 'SyncRep'"));
    Admin("select pg_cancel_backend(pid) " + Backends("wait_event = 'SyncRep'"));
  });
  EXPECT_EQ(result.verdict, FlushVerdict::kUnknown) << result.status;
  SetStandby("");
  ExpectCommitted(owner_->Reload(in_doubt), in_doubt);
}

TEST_F(OutageTest, AFlushThatWaitsForTheStandbyIsGivenUpInTime) {
  SetStandby("nobody");
  const FlushSeq in_doubt = InDoubt();
  Options options = OutageOptions();
  options.bound = absl::Seconds(1);
  auto hasty = *Database::Create(options);
  PgDomainStore store(*hasty, ns_.domain);
  const SteadyTime began = RealClock().Steady();
  EXPECT_EQ(store.Flush(owner_->epoch, in_doubt, batch_).verdict, FlushVerdict::kUnknown);
  EXPECT_LT(RealClock().Steady() - began, absl::Seconds(8));
  SetStandby("");
  // Whatever became of the waiting backend, the answer is final.
  ExpectCommitted(owner_->Reload(in_doubt), in_doubt);
}

TEST_F(OutageTest, ABackendKilledInTheMiddleCommittedNothing) {
  const auto blocker = HoldSessionRow();
  const FlushSeq in_doubt = InDoubt();
  const auto result = FlushAnd([&] {
    EXPECT_TRUE(SomeBackend("wait_event_type = 'Lock'"));
    Admin("select pg_terminate_backend(pid) " + Backends("wait_event_type = 'Lock'"));
  });
  EXPECT_EQ(result.verdict, FlushVerdict::kUnknown) << result.status;
  blocker->disconnect();
  ExpectNotCommitted(owner_->Reload(in_doubt), in_doubt);
}

TEST_F(OutageTest, AStatementThatTheServerCancelledIsCertainlyNotCommitted) {
  const auto blocker = HoldSessionRow();
  const auto result = FlushAnd([&] {
    EXPECT_TRUE(SomeBackend("wait_event_type = 'Lock'"));
    Admin("select pg_cancel_backend(pid) " + Backends("wait_event_type = 'Lock'"));
  });
  EXPECT_EQ(result.verdict, FlushVerdict::kFailed) << result.status;
  blocker->disconnect();
  const FlushSeq failed = InDoubt();
  EXPECT_EQ(owner_->Reload().facts.flush_seq, failed);
  owner_->MustFlush(batch_);
}

TEST_F(OutageTest, AConnectionThatDiedUnnoticedIsNoHarm) {
  Admin("select pg_terminate_backend(pid) " + Backends("true"));
  EXPECT_TRUE(Eventually([&] { return AdminInt("select count(*) " + Backends("true")) == 0; }));
  const FlushSeq in_doubt = InDoubt();
  EXPECT_EQ(owner_->store.Flush(owner_->epoch, in_doubt, batch_).verdict, FlushVerdict::kUnknown);
  ExpectNotCommitted(owner_->Reload(in_doubt), in_doubt);
  // Reads try again by themselves.
  Admin("select pg_terminate_backend(pid) " + Backends("true"));
  EXPECT_TRUE(PgCatalog(*database_).ListNamespaces().ok());
}

TEST_F(OutageTest, AStoppedBackendIsGivenUpInTimeAndWakesToACollision) {
  Options options = OutageOptions();
  options.bound = absl::Seconds(1);
  options.application_name = name_ + "_stopped";
  auto hasty = *Database::Create(options);
  PgDomainStore store(*hasty, ns_.domain);
  EXPECT_TRUE(store.LoadRun(RunId(1)).status().code() == absl::StatusCode::kNotFound);
  const auto pid =
      static_cast<pid_t>(AdminInt("select pid from pg_stat_activity where application_name = '" +
                                  options.application_name + "'"));
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  const FlushSeq in_doubt = InDoubt();
  const SteadyTime began = RealClock().Steady();
  EXPECT_EQ(store.Flush(owner_->epoch, in_doubt, batch_).verdict, FlushVerdict::kUnknown);
  EXPECT_LT(RealClock().Steady() - began, absl::Seconds(5));
  const core::LoadResult load = owner_->Reload(in_doubt);
  EXPECT_EQ(load.in_doubt_committed, std::optional<bool>(false));
  ASSERT_EQ(kill(pid, SIGCONT), 0);
  EXPECT_TRUE(Eventually([&] {
    return AdminInt("select count(*) from pg_stat_activity where pid = " + std::to_string(pid)) ==
           0;
  }));
  ExpectNotCommitted(load, in_doubt);
}

TEST_F(OutageTest, ATakeoverEndsThePredecessorsFlush) {
  const auto blocker = HoldSessionRow();
  const auto result = FlushAnd([&] {
    EXPECT_TRUE(SomeBackend("wait_event_type = 'Lock'"));
    const SteadyTime began = RealClock().Steady();
    Owner successor(*database_, ns_.domain, owner_->epoch);
    EXPECT_LT(RealClock().Steady() - began, absl::Seconds(5));
    EXPECT_EQ(successor.seq, InDoubt());
    EXPECT_TRUE(successor.facts.runs.empty());
  });
  EXPECT_EQ(result.verdict, FlushVerdict::kUnknown) << result.status;
  EXPECT_EQ(owner_->store.Reload({owner_->epoch, InDoubt()}).status().code(),
            absl::StatusCode::kAborted);
}

TEST_F(OutageTest, AReloadWhoseOwnAnswerWasLostCanBeRepeated) {
  const FlushSeq in_doubt = InDoubt();
  EXPECT_EQ(owner_->store.Reload({owner_->epoch, in_doubt})->in_doubt_committed,
            std::optional<bool>(false));
  const auto again = owner_->store.Reload({owner_->epoch, in_doubt});
  EXPECT_EQ(again->in_doubt_committed, std::optional<bool>(false));
  EXPECT_EQ(again->facts.flush_seq.value(), in_doubt.value() + 1);
}

TEST_F(OutageTest, WhatWaitsIsGivenUpWhenItIsInVain) {
  const auto blocker = HoldSessionRow();
  const auto result = FlushAnd([&] {
    EXPECT_TRUE(SomeBackend("wait_event_type = 'Lock'"));
    database_->Refuse(true);
  });
  EXPECT_EQ(result.verdict, FlushVerdict::kUnknown) << result.status;
  PgCatalog catalog(*database_);
  EXPECT_EQ(catalog.ListNamespaces().status().code(), absl::StatusCode::kUnavailable);
  database_->Refuse(false);
  EXPECT_TRUE(catalog.ListNamespaces().ok());
}

TEST_F(OutageTest, WhoWaitsForAConnectionIsSentAwayWhenItIsInVain) {
  Options options = OutageOptions();
  options.max_connections = 1;
  options.bound = absl::Seconds(60);
  auto narrow = *Database::Create(options);
  const auto only = narrow->Borrow();
  ASSERT_TRUE(only.ok()) << only.status();
  absl::Status second;
  const SteadyTime began = RealClock().Steady();
  std::atomic<bool> asks{false};
  service::Thread other("other", [&] {
    asks = true;
    second = narrow->Borrow().status();
  });
  EXPECT_TRUE(Eventually([&] { return asks.load(); }));
  narrow->Refuse(true);
  other.Join();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(RealClock().Steady() - began, absl::Seconds(30));
}

TEST_F(OutageTest, AServerThatIsNotThereFailsFlushesForCertain) {
  Options options;
  options.dsn = "host=/nonexistent dbname=none";
  auto nowhere = *Database::Create(options);
  PgDomainStore store(*nowhere, ns_.domain);
  const auto result = store.Flush(Epoch(1), FlushSeq(2), batch_);
  EXPECT_EQ(result.verdict, FlushVerdict::kFailed);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(PgFleetStore(*nowhere).Beat(SchedulerId(1)).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(OutageTest, ABeatGoesOnUnderTheSameIdAfterItsConnectionBroke) {
  PgFleetStore fleet(*database_);
  PgFleetStore watcher(*database_);
  const SchedulerId self(77);
  ASSERT_TRUE(fleet.Register({self, "s", "host:1", 0, 1, 5}).ok());
  EXPECT_FALSE(*watcher.LockIsFree(self));
  Admin("select pg_terminate_backend(pid) " + Backends("true"));
  EXPECT_TRUE(Eventually([&] {
    const auto free = watcher.LockIsFree(self);
    return free.ok() && *free;
  }));
  EXPECT_EQ(fleet.Beat(self).status().code(), absl::StatusCode::kUnavailable);
  const auto view = fleet.Beat(self);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_FALSE(*watcher.LockIsFree(self));
  // What is left of an old session does not lock its successor out.
  PgFleetStore successor(*database_);
  EXPECT_TRUE(successor.Beat(self).ok());
}

}  // namespace
}  // namespace penstock::pg
