#include "scheduler/store/pg/fleet_store.h"

#include <utility>

#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/connection.h"
#include "scheduler/store/pg/migrate.h"
#include "scheduler/store/pg/rows.h"
#include "scheduler/store/pg/sql.h"
#include "scheduler/store/pg/transaction.h"

namespace penstock::pg {
namespace {

// How often, and how many times, a lock that a dying session still holds is tried.
constexpr absl::Duration kLockPoll = absl::Milliseconds(20);
constexpr int kLockTries = 25;

store::SchedulerRow SchedulerAt(const pqxx::row& row) {
  return {SchedulerId(IntAt(row, 1)),          TextAt(row, 2), TextAt(row, 3), IntAt(row, 4),
          static_cast<int32_t>(IntAt(row, 5)), IntAt(row, 6)};
}

store::DomainRow DomainAt(const pqxx::row& row) {
  store::DomainRow domain;
  domain.id = DomainId(static_cast<int32_t>(IntAt(row, 1)));
  domain.trouble = TextAt(row, 2);
  domain.moved = TextAt(row, 3) == "moved";
  domain.epoch = Epoch(IntAt(row, 4));
  domain.feature_level = static_cast<int32_t>(IntAt(row, 5));
  domain.owner = SchedulerId(IntAt(row, 6));
  return domain;
}

// Rows of beat.sql by kind: d and f hold the same domains in the same order. `beats` counts the
// scheduler rows that were there to beat.
store::FleetView ReadView(const pqxx::result& rows, int64_t* beats) {
  store::FleetView view;
  size_t next_flush_seq = 0;
  for (const pqxx::row& row : rows) {
    switch (row[0].c_str()[0]) {
      case 'd':
        view.domains.push_back(DomainAt(row));
        break;
      case 'f':
        view.domains.at(next_flush_seq++).flush_seq = FlushSeq(IntAt(row, 4));
        break;
      case 'i':
        view.incarnation = Incarnation(IntAt(row, 1));
        *beats = IntAt(row, 4);
        break;
      default:
        view.schedulers.push_back(SchedulerAt(row));
    }
  }
  return view;
}

}  // namespace

PgFleetStore::PgFleetStore(Database& database) : database_(database) {}
PgFleetStore::~PgFleetStore() = default;

absl::Status PgFleetStore::EnsureConnected() {
  if (connection_ != nullptr && connection_->usable()) return absl::OkStatus();
  locked_ = SchedulerId();
  connection_.reset();
  PENSTOCK_ASSIGN_OR_RETURN(connection_, database_.OpenForFleet());
  return absl::OkStatus();
}

Answer PgFleetStore::Query(std::string_view constant, const Params& params) {
  return connection_->Query(constant, params, database_.options().bound);
}

absl::StatusOr<bool> PgFleetStore::TryLock(SchedulerId self) {
  const Answer answer = Query(sql::kLivenessLock, Params().Int(self.value()));
  if (!answer.error.ok()) return ToStatus(answer.error);
  if (BoolAt(answer.rows[0], 0)) locked_ = self;
  return locked_ == self;
}

absl::Status PgFleetStore::EnsureLock(SchedulerId self) {
  PENSTOCK_RETURN_IF_ERROR(EnsureConnected());
  if (locked_ == self) return absl::OkStatus();
  for (int i = 0; i < kLockTries; ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(const bool locked, TryLock(self));
    if (locked) return absl::OkStatus();
    const Answer evicted = Query(sql::kLivenessEvict, Params().Int(self.value()));
    if (!evicted.error.ok()) return ToStatus(evicted.error);
    absl::SleepFor(kLockPoll);
  }
  return MakeStatus(absl::StatusCode::kUnavailable,
                    "an earlier session still holds this scheduler's liveness lock");
}

absl::StatusOr<store::StoredTerms> PgFleetStore::Prepare() {
  PENSTOCK_RETURN_IF_ERROR(Migrate(database_));
  const store::StoredTerms& terms = database_.options().terms;
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(
          database_, sql::kStoreTerms,
          Params().Int(terms.domain_term_ms).Int(terms.session_term_ms).Int(terms.margin_ms)));
  return store::StoredTerms{IntAt(rows[0], 0), IntAt(rows[0], 1), IntAt(rows[0], 2)};
}

absl::Status PgFleetStore::Register(const store::SchedulerRow& self) {
  PENSTOCK_RETURN_IF_ERROR(EnsureLock(self.id));
  return ToStatus(Query(sql::kRegisterScheduler, Params()
                                                     .Int(self.id.value())
                                                     .Text(self.name)
                                                     .Text(self.address)
                                                     .Int(self.feature_level)
                                                     .Int(self.started_us))
                      .error);
}

absl::StatusOr<store::FleetView> PgFleetStore::Beat(SchedulerId self) {
  PENSTOCK_RETURN_IF_ERROR(EnsureLock(self));
  const Answer answer = Query(sql::kBeat, Params().Int(self.value()));
  if (!answer.error.ok()) {
    return MakeStatus(absl::StatusCode::kUnavailable, Message(ToStatus(answer.error)));
  }
  int64_t beats = 0;
  store::FleetView view = ReadView(answer.rows, &beats);
  if (beats > 0) return view;
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    fmt::format("scheduler {} is not registered any more", self.value()));
}

absl::StatusOr<bool> PgFleetStore::LockIsFree(SchedulerId other) {
  PENSTOCK_RETURN_IF_ERROR(EnsureConnected());
  const Answer answer = Query(sql::kLivenessIsFree, Params().Int(other.value()));
  if (!answer.error.ok()) return ToStatus(answer.error);
  return BoolAt(answer.rows[0], 0);
}

absl::Status PgFleetStore::Remove(SchedulerId id) {
  PENSTOCK_RETURN_IF_ERROR(EnsureConnected());
  const Answer answer = Query(sql::kRemoveScheduler, Params().Int(id.value()));
  if (!answer.error.ok() || locked_ != id) return ToStatus(answer.error);
  locked_ = SchedulerId();
  return ToStatus(Query(sql::kLivenessUnlock, Params().Int(id.value())).error);
}

absl::Status PgFleetStore::DeclareLoss(DomainId domain, FlushSeq known) {
  PENSTOCK_RETURN_IF_ERROR(EnsureConnected());
  return ToStatus(Query(sql::kDeclareLoss, Params().Int(domain.value()).Int(known.value())).error);
}

}  // namespace penstock::pg
