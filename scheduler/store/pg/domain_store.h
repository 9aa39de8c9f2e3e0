#pragma once
// A domain's durable facts in PostgreSQL.
#include "scheduler/store/domain_store.h"
#include "scheduler/store/pg/database.h"

namespace penstock::pg {

// See store::DomainStore. Borrows a connection for each call; a flush is one statement, hence one
// round trip, committed by itself.
class PgDomainStore : public store::DomainStore {
 public:
  // `database` outlives this.
  PgDomainStore(Database& database, DomainId domain) : database_(database), domain_(domain) {}

  absl::StatusOr<store::LoadResult> TakeOver(SchedulerId self,
                                             const core::OwnerProtocol::TakeOver& request) override;
  absl::StatusOr<store::LoadResult> Reload(const core::OwnerProtocol::Reload& request) override;
  store::FlushResult Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) override;
  absl::Status Note(Epoch epoch, const std::string& suspect) override;
  absl::StatusOr<store::IdBlock> TakeIds(Epoch epoch, int64_t count) override;
  absl::Status Release(Epoch epoch) override;
  absl::StatusOr<core::DomainFacts> LoadRun(RunId run) override;

 private:
  Database& database_;
  const DomainId domain_;
};

}  // namespace penstock::pg
