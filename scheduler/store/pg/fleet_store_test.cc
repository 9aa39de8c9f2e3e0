// Migrations, terms, the fleet's view.
#include "scheduler/store/pg/fleet_store.h"

#include <atomic>

#include "common/service/thread.h"
#include "gmock/gmock.h"
#include "scheduler/store/pg/migrate.h"
#include "scheduler/store/pg/pg_test_base.h"
#include "scheduler/store/pg/statements.h"

namespace penstock::pg {
namespace {

class FleetStoreTest : public PgTest {
 protected:
  static store::SchedulerRow Row(int64_t id) {
    return {SchedulerId(id), "s" + std::to_string(id), "host:1", 0, 1, 5};
  }
};

TEST_F(FleetStoreTest, ManySchedulersMayMigrateAtOnce) {
  testing::TestDatabase empty;
  std::atomic<int> failures{0};
  {
    std::vector<std::unique_ptr<service::Thread>> threads;
    for (int i = 0; i < 8; ++i) {
      threads.push_back(std::make_unique<service::Thread>("migrate", [&] {
        Options options;
        options.dsn = empty.dsn();
        auto database = *Database::Create(options);
        PgFleetStore fleet(*database);
        if (!fleet.Prepare().ok()) ++failures;
      }));
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_TRUE(MigrateForTest(empty.dsn()).ok());  // again: nothing to do
  pqxx::connection connection(empty.dsn());
  pqxx::nontransaction transaction(connection);
  const auto rows = transaction.exec(
      "select count(*), (select count(*) from penstock.partition where opened_us is not null) "
      "from penstock.schema_migration");
  EXPECT_EQ(rows[0][0].as<size_t>(), Statements("penstock").migrations().size());
  EXPECT_EQ(rows[0][1].as<int>(), 1);
}

TEST_F(FleetStoreTest, TwoSchemasLiveInOneDatabase) {
  Options options = TestOptions();
  options.schema = "team_b";
  const auto other = Open(options);
  ASSERT_TRUE(Migrate(*other).ok());
  ASSERT_TRUE(PgCatalog(*other).CreateNamespace("theirs", std::nullopt, 1).ok());
  EXPECT_EQ(catalog_.ListNamespaces()->size(), 0U);
  PgFleetStore ours(*database_);
  PgFleetStore theirs(*other);
  ASSERT_TRUE(ours.Register(Row(1)).ok());
  EXPECT_TRUE(*theirs.LockIsFree(SchedulerId(1)));
}

TEST_F(FleetStoreTest, TheFirstSchedulersTermsHoldForAll) {
  Options options = TestOptions();
  options.terms = {1'000, 20'000, 500};
  const auto first = Open(options);
  EXPECT_EQ(PgFleetStore(*first).Prepare()->session_term_ms, 20'000);
  EXPECT_EQ(PgFleetStore(*database_).Prepare()->session_term_ms, 20'000);
}

TEST_F(FleetStoreTest, ABeatShowsEverything) {
  const auto ns = NewNamespace("team");
  Owner owner(*database_, ns.domain);
  NewNamespace("idle");
  PgFleetStore first(*database_);
  PgFleetStore second(*database_);
  ASSERT_TRUE(first.Register(Row(1)).ok());
  ASSERT_TRUE(second.Register(Row(2)).ok());
  ASSERT_TRUE(first.Beat(SchedulerId(1)).ok());
  const auto view = first.Beat(SchedulerId(1));
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_EQ(view->schedulers.size(), 2U);
  EXPECT_EQ(view->schedulers[0].beat, 2);
  EXPECT_EQ(view->schedulers[1].beat, 0);
  EXPECT_EQ(view->schedulers[1].name, "s2");
  EXPECT_EQ(view->schedulers[1].started_us, 5);
  ASSERT_EQ(view->domains.size(), 2U);
  EXPECT_EQ(view->domains[0].owner, SchedulerId(1));
  EXPECT_EQ(view->domains[0].epoch, owner.epoch);
  EXPECT_EQ(view->domains[0].flush_seq, owner.seq);
  EXPECT_EQ(view->domains[1].epoch, Epoch());
  EXPECT_EQ(view->domains[1].flush_seq, FlushSeq());
  EXPECT_EQ(view->incarnation, owner.facts.incarnation);
}

TEST_F(FleetStoreTest, ARemovedSchedulerIsToldAndItsDomainsAreFree) {
  const auto ns = NewNamespace("team");
  PgFleetStore first(*database_);
  PgFleetStore second(*database_);
  ASSERT_TRUE(first.Register(Row(1)).ok());
  ASSERT_TRUE(second.Register(Row(2)).ok());
  Owner owner(*database_, ns.domain);  // as scheduler 1
  EXPECT_FALSE(*second.LockIsFree(SchedulerId(1)));
  ASSERT_TRUE(second.Remove(SchedulerId(1)).ok());
  EXPECT_EQ(second.Beat(SchedulerId(2))->domains[0].owner, SchedulerId());
  EXPECT_EQ(first.Beat(SchedulerId(1)).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(first.Remove(SchedulerId(1)).ok());
  EXPECT_TRUE(*second.LockIsFree(SchedulerId(1)));
}

TEST_F(FleetStoreTest, AReleasedDomainHasNoOwner) {
  const auto ns = NewNamespace("team");
  PgFleetStore fleet(*database_);
  ASSERT_TRUE(fleet.Register(Row(1)).ok());
  Owner owner(*database_, ns.domain);
  ASSERT_TRUE(owner.store.Release(owner.epoch).ok());
  const auto view = fleet.Beat(SchedulerId(1));
  EXPECT_EQ(view->domains[0].owner, SchedulerId());
  EXPECT_EQ(view->domains[0].epoch, owner.epoch);
}

TEST_F(FleetStoreTest, LoadsWithoutProgressAreCounted) {
  const auto ns = NewNamespace("team");
  Owner owner(*database_, ns.domain);
  EXPECT_EQ(owner.facts.loads_without_progress, 0) << "nobody has ended";
  EXPECT_EQ(owner.Reload().facts.loads_without_progress, 0) << "nothing was refused";
  const core::OwnerProtocol::Reload refused{owner.epoch, FlushSeq(), FlushSeq(), false, true};
  EXPECT_EQ(owner.store.Reload(refused)->facts.loads_without_progress, 1);
  owner.Reload();
  owner.MustFlush(core::FlushBatch());
  EXPECT_EQ(owner.store.Reload(refused)->facts.loads_without_progress, 2);
  owner.Reload();
  core::FlushBatch progress;
  progress.made_progress = true;
  owner.MustFlush(progress);
  ASSERT_TRUE(PgFleetStore(*database_).Remove(SchedulerId(1)).ok());
  Owner next(*database_, ns.domain, owner.epoch);
  EXPECT_EQ(next.facts.loads_without_progress, 1) << "found dead by the others";
}

TEST_F(FleetStoreTest, WhoeverHandsADomainOverLeavesNothingToCount) {
  const auto ns = NewNamespace("team");
  Owner owner(*database_, ns.domain);
  Owner after_death(*database_, ns.domain, owner.epoch);
  EXPECT_EQ(after_death.facts.loads_without_progress, 1);
  ASSERT_TRUE(after_death.store.Release(after_death.epoch).ok());
  Owner next(*database_, ns.domain, after_death.epoch);
  EXPECT_EQ(next.facts.loads_without_progress, 0);
}

TEST_F(FleetStoreTest, TheNextOwnerLearnsWhatWasAboutToBeApplied) {
  const auto ns = NewNamespace("team");
  Owner owner(*database_, ns.domain);
  EXPECT_EQ(owner.facts.suspect, "");
  EXPECT_TRUE(owner.store.Note(owner.epoch, "run 7").ok());
  Owner next(*database_, ns.domain, owner.epoch);
  EXPECT_EQ(next.facts.suspect, "run 7");
  EXPECT_TRUE(absl::IsAborted(owner.store.Note(owner.epoch, ""))) << "it is not the owner any more";
  EXPECT_TRUE(next.store.Note(next.epoch, "").ok());
  EXPECT_EQ(next.Reload().facts.suspect, "");
}

TEST_F(FleetStoreTest, EveryStatementIsObservedByName) {
  std::vector<std::string> seen;
  Options options = TestOptions();
  options.observer = [&](std::string_view name, double seconds, bool ok) {
    EXPECT_GE(seconds, 0);
    seen.push_back(std::string(name) + (ok ? "" : " failed"));
  };
  const auto database = Open(options);
  ASSERT_TRUE(PgCatalog(*database).ListNamespaces().ok());
  const auto ns = PgCatalog(*database).CreateNamespace("n", std::nullopt, 0);
  EXPECT_EQ(ns.status().code(), absl::StatusCode::kInvalidArgument);  // weight 0
  EXPECT_THAT(seen,
              ::testing::ElementsAre("connect", "list_namespaces", "begin", "transaction_limits",
                                     "create_domain", "create_namespace failed"));
}

TEST_F(FleetStoreTest, NoMoreConnectionsThanAllowed) {
  Options options = TestOptions();
  options.max_connections = 1;
  options.bound = absl::Milliseconds(300);
  const auto database = Open(options);
  auto only = database->Borrow();
  ASSERT_TRUE(only.ok());
  EXPECT_EQ(database->Borrow().status().code(), absl::StatusCode::kUnavailable);
  { const Database::Lease back = *std::move(only); }
  EXPECT_TRUE(database->Borrow().ok());
}

}  // namespace
}  // namespace penstock::pg
