#pragma once
// Brings the schema up to date.
#include "absl/status/status.h"
#include "scheduler/store/pg/database.h"

namespace penstock::pg {

inline constexpr int kOldestServer = 130000;  // PostgreSQL 13

// Applies the migrations that are missing, all in one transaction. Safe when several start at
// once: the others wait, without holding a snapshot, until the first is done or `patience` has
// passed (UNAVAILABLE). FAILED_PRECONDITION when the server is too old. Migrations only add
// (expand) or remove what no supported release uses (contract), so a schema that is ahead of this
// build is fine.
absl::Status Migrate(Database& database, absl::Duration patience = absl::Seconds(60));

}  // namespace penstock::pg
