#pragma once
// The fleet in PostgreSQL.
#include <memory>
#include <string_view>

#include "scheduler/store/fleet_store.h"
#include "scheduler/store/pg/database.h"

namespace penstock::pg {

class Connection;
struct Answer;
class Params;

// See store::FleetStore. Keeps one connection of its own, whose session holds the liveness lock.
// When it breaks, the next beat connects again and takes the lock anew, ending what is left of the
// old session; others may have found the lock free meanwhile, which the beat's view then shows.
class PgFleetStore : public store::FleetStore {
 public:
  explicit PgFleetStore(Database& database);  // outlives this
  ~PgFleetStore() override;

  absl::StatusOr<store::StoredTerms> Prepare() override;
  absl::Status Register(const store::SchedulerRow& self) override;
  absl::StatusOr<store::FleetView> Beat(SchedulerId self) override;
  absl::StatusOr<bool> LockIsFree(SchedulerId other) override;
  absl::Status Remove(SchedulerId id) override;
  absl::Status DeclareLoss(DomainId domain, FlushSeq known) override;

 private:
  absl::Status EnsureConnected();
  absl::Status EnsureLock(SchedulerId self);
  absl::StatusOr<bool> TryLock(SchedulerId self);
  Answer Query(std::string_view constant, const Params& params);

  Database& database_;
  std::unique_ptr<Connection> connection_;  // none: not connected
  SchedulerId locked_;                      // whose lock the connection holds; 0 = none
};

}  // namespace penstock::pg
