#include "scheduler/store/pg/migrate.h"

#include <set>
#include <string>

#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/rows.h"
#include "scheduler/store/pg/sql.h"
#include "scheduler/store/pg/transaction.h"

namespace penstock::pg {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(50);

absl::Status CheckServer(int version) {
  if (version >= kOldestServer) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    fmt::format("PostgreSQL {} is too old: Penstock needs {} or later",
                                version / 10000, kOldestServer / 10000));
}

// CREATE SCHEMA asks for a right on the database even when the schema is there, so look first: the
// administrator may have made it for a role that has no such right.
absl::Status EnsureSchema(Transaction& transaction, const Statements& statements) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      transaction.Query(sql::kSchemaExists, Params().Text(statements.schema())));
  if (rows.empty()) {
    PENSTOCK_RETURN_IF_ERROR(transaction.Query(sql::kCreateSchema, {}).status());
  }
  return transaction.Query(sql::kCreateSchemaMigration, {}).status();
}

absl::StatusOr<std::set<std::string>> Applied(Transaction& transaction) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows, transaction.Query(sql::kListMigrations, {}));
  std::set<std::string> applied;
  for (const pqxx::row& row : rows) applied.insert(TextAt(row, 0));
  return applied;
}

absl::Status ApplyMissing(Transaction& transaction, const Statements& statements) {
  PENSTOCK_RETURN_IF_ERROR(EnsureSchema(transaction, statements));
  PENSTOCK_ASSIGN_OR_RETURN(const std::set<std::string> applied, Applied(transaction));
  for (const Statement& migration : statements.migrations()) {
    if (applied.count(migration.name) > 0) continue;
    const absl::Status status = transaction.Script(migration).status();
    if (!status.ok()) return Annotate(status, "migration " + migration.name);
    PENSTOCK_RETURN_IF_ERROR(
        transaction.Query(sql::kRecordMigration, Params().Text(migration.name)).status());
  }
  return absl::OkStatus();
}

// False when another session is at it.
absl::StatusOr<bool> TryMigrate(Database& database) {
  const Options& options = database.options();
  const TransactionLimits limits{options.load_bound, options.lock_timeout};
  return InTransaction<bool>(database, limits, [&](Transaction& t) -> absl::StatusOr<bool> {
    PENSTOCK_RETURN_IF_ERROR(CheckServer(t.server_version()));
    PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                              t.Query(sql::kTryMigrationLock, Params().Text(options.schema)));
    if (!BoolAt(rows[0], 0)) return false;
    PENSTOCK_RETURN_IF_ERROR(ApplyMissing(t, database.statements()));
    return true;
  });
}

}  // namespace

absl::Status Migrate(Database& database, absl::Duration patience) {
  const SteadyTime deadline = RealClock().Steady() + patience;
  for (;;) {
    PENSTOCK_ASSIGN_OR_RETURN(const bool done, TryMigrate(database));
    if (done) return absl::OkStatus();
    if (RealClock().Steady() >= deadline) {
      return MakeStatus(absl::StatusCode::kUnavailable,
                        "another process has been migrating the schema for too long");
    }
    absl::SleepFor(kPoll);
  }
}

}  // namespace penstock::pg
