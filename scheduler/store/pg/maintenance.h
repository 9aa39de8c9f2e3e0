#pragma once
// Partitions and retention in PostgreSQL.
#include "common/base/clock.h"
#include "scheduler/store/catalog.h"
#include "scheduler/store/pg/database.h"

namespace penstock::pg {

// See store::Maintenance. Thread-safe. A partition whose runs have all expired is dropped as a
// whole; expired runs that share one with live runs are deleted row by row. Where only some runs of
// a closed partition have expired they wait for the rest, at most Options::partition_span.
// No step waits for a lock longer than Options::drop_lock_timeout where a flush could queue up
// behind it; what a long reader prevents is done by a later call.
class PgMaintenance : public store::Maintenance {
 public:
  // References outlive this.
  explicit PgMaintenance(Database& database, const Clock& clock = RealClock())
      : database_(database), clock_(clock) {}

  absl::StatusOr<Report> EnsurePartitions() override;
  absl::StatusOr<Report> Retain(int64_t keep_seconds, int batch) override;

 private:
  struct Partition {
    int64_t number = 0;
    bool whole = false;
  };
  absl::StatusOr<std::vector<Partition>> Candidates(int64_t cutoff_us);
  absl::StatusOr<std::vector<int64_t>> DeleteRuns(const Partition& partition, int64_t cutoff_us,
                                                  int64_t limit);
  bool DropPartition(int64_t number);
  absl::Status PruneFence();
  absl::Status PruneSessions(int64_t cutoff_us);

  Database& database_;
  const Clock& clock_;
};

}  // namespace penstock::pg
