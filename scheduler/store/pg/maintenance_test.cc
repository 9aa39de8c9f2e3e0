// Partitions: made ahead, filled by blocks of ids, dropped without holding anybody up.
#include "scheduler/store/pg/maintenance.h"

#include "gmock/gmock.h"
#include "scheduler/store/pg/pg_test_base.h"

namespace penstock::pg {
namespace {

using core::FlushBatch;
using core::RunState;

constexpr SessionId kSession(41);
constexpr int64_t kDay = 86'400;

class MaintenanceTest : public PgTest {
 protected:
  MaintenanceTest()
      : ns_(NewNamespace("team")),
        owner_(*database_, ns_.domain),
        dag_(NewDag(ns_, "d")),
        maintenance_(*database_) {
    FlushBatch batch;
    batch.dags.push_back({dag_, false});
    owner_.MustFlush(batch);
  }

  static int64_t NowMicros() { return absl::ToUnixMicros(RealClock().Wall()); }
  static int PartitionOf(RunId run) { return static_cast<int>(run.value() >> 40); }
  // A run with one task and one output, live or finished at `finished_us`.
  core::RunRow AddRun(const std::string& key, int64_t finished_us) {
    FlushBatch batch;
    const auto block = owner_.store.TakeIds(owner_.epoch, 1);
    batch.new_runs.push_back(owner_.NewRun(dag_, key));
    batch.new_runs[0].id = block->first;
    batch.new_runs[0].state = finished_us == 0 ? RunState::kRunning : RunState::kSuccess;
    batch.new_runs[0].finished_us = finished_us;
    batch.dispatches.push_back(MakeDispatch({block->first, 0, -1}, 1, kSession));
    batch.outputs.push_back({{block->first, 0, -1}, 1, "{}", ""});
    owner_.MustFlush(batch);
    return batch.new_runs[0];
  }
  // Ends the open partition, and lets the registry look `days` older than it is.
  void NextPartition(int days) {
    Options options = TestOptions();
    options.partition_span = absl::ZeroDuration();
    const auto database = Open(options);
    const auto report = PgMaintenance(*database).EnsurePartitions();
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->partitions_created, 1);
    const std::string age = std::to_string(days * kDay * 1'000'000);
    Sql("update penstock.partition set opened_us = opened_us - " + age +
        ", closed_us = closed_us - " + age + " where closed_us is not null");
  }
  bool Exists(const std::string& table) {
    return SqlInt("select count(*) from pg_class where relname = '" + table + "'") > 0;
  }
  int64_t TaskRows() { return SqlInt("select count(*) from penstock.task_instance"); }

  const store::NamespaceRecord ns_;
  Owner owner_;
  const core::DagRow dag_;
  PgMaintenance maintenance_;
};

TEST_F(MaintenanceTest, IdsComeInBlocksOfTheOpenPartition) {
  const auto first = owner_.store.TakeIds(owner_.epoch, 100);
  const auto second = owner_.store.TakeIds(owner_.epoch, 1);
  EXPECT_EQ(first->first.value(), (int64_t{1} << 40) + 1);
  EXPECT_EQ(first->count, 100);
  EXPECT_EQ(second->first.value(), first->first.value() + 100);
  EXPECT_EQ(maintenance_.EnsurePartitions()->partitions_created, 0);
  NextPartition(0);
  EXPECT_EQ(owner_.store.TakeIds(owner_.epoch, 1)->first.value(), (int64_t{2} << 40) + 1);
  EXPECT_TRUE(Exists("task_instance_p3"));
  // Ids of the closed partition still work.
  FlushBatch batch;
  batch.new_runs.push_back(owner_.NewRun(dag_, "late"));
  batch.new_runs[0].id = first->first;
  batch.dispatches.push_back(MakeDispatch({first->first, 0, -1}, 1, kSession));
  owner_.MustFlush(batch);
}

TEST_F(MaintenanceTest, APartitionThatIsFullIsClosed) {
  Options options = TestOptions();
  options.partition_runs = 50;
  ASSERT_TRUE(owner_.store.TakeIds(owner_.epoch, 100).ok());
  const auto database = Open(options);
  EXPECT_EQ(PgMaintenance(*database).EnsurePartitions()->partitions_created, 1);
  EXPECT_EQ(PartitionOf(owner_.store.TakeIds(owner_.epoch, 1)->first), 2);
}

TEST_F(MaintenanceTest, AnExpiredPartitionIsDroppedAsAWhole) {
  const int64_t old_us = NowMicros() - 3 * kDay * 1'000'000;
  std::vector<RunId> old_runs(5);
  for (size_t i = 0; i < old_runs.size(); ++i) {
    old_runs[i] = AddRun("old" + std::to_string(i), old_us).id;
  }
  NextPartition(2);
  const auto young = AddRun("young", old_us + 3 * kDay * 1'000'000);
  auto report = maintenance_.Retain(kDay, 3);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->runs_deleted, 3);
  EXPECT_EQ(report->partitions_dropped, 0);
  report = maintenance_.Retain(kDay, 3);
  EXPECT_EQ(report->runs_deleted, 2);
  EXPECT_THAT(report->last_runs, ::testing::UnorderedElementsAre(old_runs[3], old_runs[4]));
  EXPECT_EQ(report->partitions_dropped, 1);
  EXPECT_FALSE(Exists("task_instance_p1"));
  EXPECT_FALSE(Exists("task_attempt_p1"));
  EXPECT_FALSE(Exists("task_output_p1"));
  EXPECT_EQ(TaskRows(), 1);
  EXPECT_EQ(catalog_.GetRun(young.id)->row.key, "young");
  EXPECT_EQ(maintenance_.Retain(kDay, 3)->runs_deleted, 0);
}

TEST_F(MaintenanceTest, ALiveRunKeepsItsPartition) {
  const int64_t old_us = NowMicros() - 3 * kDay * 1'000'000;
  const auto live = AddRun("live", 0);
  const auto old = AddRun("old", old_us);
  NextPartition(2);
  AddRun("young", NowMicros());
  const auto report = maintenance_.Retain(kDay, 100);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->last_runs, ::testing::ElementsAre(old.id));
  EXPECT_EQ(report->partitions_dropped, 0);
  EXPECT_EQ(TaskRows(), 2);
  EXPECT_EQ(SqlInt("select count(*) from penstock.task_output"), 2);
  EXPECT_TRUE(catalog_.GetTask({live.id, 0, -1})->has_value());
}

TEST_F(MaintenanceTest, APartitionWhoseIdsAreStillHeldIsKept) {
  const int64_t old_us = NowMicros() - 3 * kDay * 1'000'000;
  AddRun("old", old_us);
  NextPartition(2);  // the domain's last block is of the closed partition
  auto report = maintenance_.Retain(kDay, 100);
  EXPECT_EQ(report->runs_deleted, 1);
  EXPECT_EQ(report->partitions_dropped, 0);
  ASSERT_TRUE(owner_.store.TakeIds(owner_.epoch, 1).ok());
  EXPECT_EQ(maintenance_.Retain(kDay, 100)->partitions_dropped, 1);
}

TEST_F(MaintenanceTest, ALongReaderHoldsUpNobody) {
  AddRun("old", NowMicros() - 3 * kDay * 1'000'000);
  pqxx::connection reader(template_copy_.dsn());
  pqxx::work reading(reader);
  reading.exec("select count(*) from penstock.task_instance");
  NextPartition(2);
  const SteadyTime began = RealClock().Steady();
  const auto young = AddRun("young", 0);
  const auto report = maintenance_.Retain(kDay, 100);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->runs_deleted, 1);
  EXPECT_EQ(report->partitions_dropped, 0);
  FlushBatch batch;
  batch.completions.push_back(MakeSuccess({young.id, 0, -1}, 1, kSession));
  owner_.MustFlush(batch);
  EXPECT_LT(RealClock().Steady() - began, absl::Seconds(5));
  reading.commit();
  EXPECT_EQ(maintenance_.Retain(kDay, 100)->partitions_dropped, 1);
}

TEST_F(MaintenanceTest, TheFenceIsPrunedFarBehindTheOwner) {
  Sql("insert into penstock.domain_flush select " + std::to_string(ns_.domain.value()) +
      ", n, 1 from generate_series(" + std::to_string(owner_.seq.value() + 1) + ", 5000) n");
  ASSERT_TRUE(maintenance_.Retain(kDay, 1).ok());
  EXPECT_EQ(SqlInt("select count(*) from penstock.domain_flush where loaded_at is null"), 1001);
  EXPECT_EQ(SqlInt("select count(*) from penstock.domain_flush where loaded_at is not null"), 1);
  // An owner that slept through all of it is still refused.
  EXPECT_EQ(owner_.Flush(FlushBatch()).verdict, store::FlushVerdict::kFenced);
}

// One that is connected to the owner in office is remembered however long ago its hello was: it may
// be given work at any moment, and a later owner must know how long it was trusted.
TEST_F(MaintenanceTest, SessionsOfLiveRunsAndOfTheOwnerInOfficeAreRemembered) {
  FlushBatch batch;
  batch.sessions = {MakeSession(kSession.value(), "busy"), MakeSession(42, "idle")};
  owner_.MustFlush(batch);
  AddRun("live", 0);
  Sql("update penstock.worker_session set hello_us = 1");
  ASSERT_TRUE(maintenance_.Retain(kDay, 1).ok());
  EXPECT_EQ(SqlInt("select count(*) from penstock.worker_session"), 2);
  const Owner next(*database_, ns_.domain, owner_.epoch);
  ASSERT_TRUE(maintenance_.Retain(kDay, 1).ok());
  EXPECT_EQ(SqlInt("select count(*) from penstock.worker_session"), 1);
  EXPECT_EQ(SqlInt("select session from penstock.session_domain"), kSession.value());
}

}  // namespace
}  // namespace penstock::pg
