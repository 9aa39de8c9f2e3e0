#include "scheduler/app/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/container/flat_hash_set.h"

namespace penstock::app {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::Return;

class FakeMaintenance : public store::Maintenance {
 public:
  MOCK_METHOD(absl::StatusOr<Report>, EnsurePartitions, (), (override));
  MOCK_METHOD(absl::StatusOr<Report>, Retain, (int64_t, int), (override));
};

class FakeLogs : public logstore::LogStore {
 public:
  absl::StatusOr<logstore::LogState> Append(const logstore::AttemptRef&,
                                            const std::vector<logstore::LogChunk>&) override {
    return logstore::LogState();
  }
  absl::StatusOr<logstore::LogState> Stat(const logstore::AttemptRef&) override {
    return logstore::LogState();
  }
  absl::StatusOr<logstore::LogSlice> Read(const logstore::AttemptRef&, int64_t, int64_t,
                                          int64_t) override {
    return logstore::LogSlice();
  }
  absl::Status DeleteRun(RunId run) override {
    deleted.push_back(run);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<RunId>> Runs() override { return runs; }

  std::vector<RunId> runs;
  std::vector<RunId> deleted;
};

store::Maintenance::Report Deleted(int64_t count, std::vector<RunId> runs) {
  store::Maintenance::Report report;
  report.runs_deleted = count;
  report.last_runs = std::move(runs);
  return report;
}

// Knows the runs that exist; the rest of a catalog is not looked at.
class FakeLookup {
 public:
  bool Exists(RunId run) const { return known.contains(run); }
  absl::flat_hash_set<RunId> known;
};

class RetentionTest : public ::testing::Test {
 protected:
  RetentionTest() {
    options_.keep = absl::Hours(1);
    options_.batch = 2;
    options_.rounds_per_sweep = 2;
    ON_CALL(maintenance_, EnsurePartitions).WillByDefault(Return(Deleted(0, {})));
    ON_CALL(maintenance_, Retain).WillByDefault(Return(Deleted(0, {})));
  }
  Retention Make() {
    return Retention(
        options_, maintenance_,
        [this](RunId run) { return absl::StatusOr<bool>(lookup_.Exists(run)); }, logs_);
  }

  Retention::Options options_;
  ::testing::NiceMock<FakeMaintenance> maintenance_;
  FakeLookup lookup_;
  FakeLogs logs_;
};

TEST_F(RetentionTest, DeletesBatchAfterBatchAndTheLogsWithThem) {
  EXPECT_CALL(maintenance_, Retain(3600, 2))
      .WillOnce(Return(Deleted(2, {RunId(1), RunId(2)})))
      .WillOnce(Return(Deleted(1, {RunId(3)})));
  Retention retention(Make());
  retention.RunOnce();
  EXPECT_THAT(logs_.deleted, ElementsAre(RunId(1), RunId(2), RunId(3)));
}

TEST_F(RetentionTest, KeepsEverythingWhenAskedTo) {
  options_.keep = absl::ZeroDuration();
  EXPECT_CALL(maintenance_, EnsurePartitions);
  EXPECT_CALL(maintenance_, Retain(_, _)).Times(0);
  Retention retention(Make());
  retention.RunOnce();
}

TEST_F(RetentionTest, SweepsLogsOfRunsThatOthersDeleted) {
  logs_.runs = {RunId(7), RunId(8)};
  lookup_.known = {RunId(8)};
  Retention retention(Make());
  retention.RunOnce();
  EXPECT_TRUE(logs_.deleted.empty());
  retention.RunOnce();
  EXPECT_THAT(logs_.deleted, ElementsAre(RunId(7)));
}

TEST_F(RetentionTest, StopsARoundThatFails) {
  EXPECT_CALL(maintenance_, Retain).WillOnce(Return(absl::UnavailableError("away")));
  Retention retention(Make());
  retention.RunOnce();
}

}  // namespace
}  // namespace penstock::app
