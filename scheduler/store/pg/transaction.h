#pragma once
// Statements and transactions with the retries that are safe.
#include <functional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/store/pg/connection.h"
#include "scheduler/store/pg/database.h"

namespace penstock::pg {

// An open transaction. After an error every further statement fails.
class Transaction {
 public:
  Transaction(Connection& connection, absl::Duration bound)
      : connection_(connection), bound_(bound) {}
  absl::StatusOr<pqxx::result> Query(std::string_view constant, const Params& params);
  absl::StatusOr<pqxx::result> Script(const Statement& script);
  const SqlError& error() const { return error_; }
  int server_version() const { return connection_.server_version(); }

 private:
  absl::StatusOr<pqxx::result> Take(Answer answer);

  Connection& connection_;
  const absl::Duration bound_;
  SqlError error_;
};

// Limits of one transaction.
struct TransactionLimits {
  absl::Duration bound;         // of each statement
  absl::Duration lock_timeout;  // of each wait for a lock
};

// Runs `body` in a transaction and commits. `body` may run several times (after a rollback by the
// server, or a connection found broken at once), so it only reads its inputs and returns a value.
// Never repeated once COMMIT was sent: an unknown outcome is UNAVAILABLE.
absl::Status RunTransaction(Database& database, const TransactionLimits& limits,
                            const std::function<absl::Status(Transaction&)>& body);

// The same with a value.
template <typename T, typename Body>
absl::StatusOr<T> InTransaction(Database& database, const TransactionLimits& limits,
                                const Body& body) {
  absl::StatusOr<T> value = absl::UnknownError("did not run");
  absl::Status status = RunTransaction(database, limits, [&](Transaction& transaction) {
    value = body(transaction);
    return value.status();
  });
  if (!status.ok()) return status;
  return value;
}

// One statement by itself. It must do no harm when it is done twice.
absl::StatusOr<pqxx::result> RunStatement(Database& database, std::string_view constant,
                                          const Params& params);

}  // namespace penstock::pg
