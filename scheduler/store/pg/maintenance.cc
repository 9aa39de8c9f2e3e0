#include "scheduler/store/pg/maintenance.h"

#include "common/base/status_macros.h"
#include "scheduler/store/pg/rows.h"
#include "scheduler/store/pg/sql.h"
#include "scheduler/store/pg/transaction.h"

namespace penstock::pg {
namespace {

constexpr int64_t kFenceRowsPerStep = 50'000;  // as in prune_fence.sql

TransactionLimits LongLimits(const Options& options) {
  return {options.load_bound, options.lock_timeout};
}

TransactionLimits DdlLimits(const Options& options) {
  return {options.load_bound, options.drop_lock_timeout};
}

}  // namespace

absl::StatusOr<store::Maintenance::Report> PgMaintenance::EnsurePartitions() {
  const Options& options = database_.options();
  return InTransaction<Report>(
      database_, DdlLimits(options), [&](Transaction& t) -> absl::StatusOr<Report> {
        PENSTOCK_ASSIGN_OR_RETURN(
            const pqxx::result rows,
            t.Query(sql::kEnsurePartitions,
                    Params()
                        .Int(absl::ToInt64Microseconds(options.partition_span))
                        .Int(options.partition_runs)));
        Report report;
        report.partitions_created = static_cast<int>(IntAt(rows[0], 0));
        return report;
      });
}

absl::StatusOr<std::vector<PgMaintenance::Partition>> PgMaintenance::Candidates(int64_t cutoff_us) {
  using Partitions = std::vector<Partition>;
  return InTransaction<Partitions>(
      database_, LongLimits(database_.options()),
      [&](Transaction& t) -> absl::StatusOr<Partitions> {
        PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                                  t.Query(sql::kPartitionsToRetain, Params().Int(cutoff_us)));
        Partitions partitions;
        for (const pqxx::row& row : rows) partitions.push_back({IntAt(row, 0), BoolAt(row, 1)});
        return partitions;
      });
}

absl::StatusOr<std::vector<int64_t>> PgMaintenance::DeleteRuns(const Partition& partition,
                                                               int64_t cutoff_us, int64_t limit) {
  using Ids = std::vector<int64_t>;
  return InTransaction<Ids>(
      database_, LongLimits(database_.options()), [&](Transaction& t) -> absl::StatusOr<Ids> {
        PENSTOCK_ASSIGN_OR_RETURN(
            const pqxx::result rows,
            t.Query(sql::kDeleteExpiredRuns,
                    Params().Int(partition.number).Int(cutoff_us).Int(limit)));
        Ids ids;
        for (const pqxx::row& row : rows) ids.push_back(IntAt(row, 0));
        if (partition.whole || ids.empty()) return ids;
        PENSTOCK_RETURN_IF_ERROR(
            t.Query(sql::kDeleteTaskRows, Params().Int(partition.number).Ints(ids)).status());
        return ids;
      });
}

// A failure is no error: a later call tries again.
bool PgMaintenance::DropPartition(int64_t number) {
  const auto dropped = InTransaction<bool>(
      database_, DdlLimits(database_.options()), [&](Transaction& t) -> absl::StatusOr<bool> {
        PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                                  t.Query(sql::kDropPartition, Params().Int(number)));
        return BoolAt(rows[0], 0);
      });
  return dropped.ok() && *dropped;
}

absl::Status PgMaintenance::PruneFence() {
  int64_t pruned = kFenceRowsPerStep;
  while (pruned >= kFenceRowsPerStep) {
    PENSTOCK_ASSIGN_OR_RETURN(
        pruned, InTransaction<int64_t>(database_, LongLimits(database_.options()),
                                       [&](Transaction& t) -> absl::StatusOr<int64_t> {
                                         PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                                                                   t.Query(sql::kPruneFence, {}));
                                         return static_cast<int64_t>(rows.affected_rows());
                                       }));
  }
  return absl::OkStatus();
}

absl::Status PgMaintenance::PruneSessions(int64_t cutoff_us) {
  return RunTransaction(database_, LongLimits(database_.options()), [&](Transaction& t) {
    PENSTOCK_RETURN_IF_ERROR(t.Query(sql::kPruneSessions, Params().Int(cutoff_us)).status());
    return t.Query(sql::kPruneSessionDomains, {}).status();
  });
}

absl::StatusOr<store::Maintenance::Report> PgMaintenance::Retain(int64_t keep_seconds, int batch) {
  const int64_t cutoff_us = absl::ToUnixMicros(clock_.Wall() - absl::Seconds(keep_seconds));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<Partition> partitions, Candidates(cutoff_us));
  Report report;
  for (const Partition& partition : partitions) {
    const int64_t left = batch - report.runs_deleted;
    if (left <= 0) break;
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> ids,
                              DeleteRuns(partition, cutoff_us, left));
    report.runs_deleted += static_cast<int64_t>(ids.size());
    for (const int64_t id : ids) report.last_runs.emplace_back(id);
    const bool emptied = static_cast<int64_t>(ids.size()) < left;
    if (partition.whole && emptied && DropPartition(partition.number)) ++report.partitions_dropped;
  }
  PENSTOCK_RETURN_IF_ERROR(PruneFence());
  PENSTOCK_RETURN_IF_ERROR(PruneSessions(cutoff_us));
  return report;
}

}  // namespace penstock::pg
