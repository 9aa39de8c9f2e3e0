#pragma once
// One connection. The only place, with transaction.cc, that meets libpqxx's exceptions.
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "pqxx/pqxx"
#include "scheduler/store/pg/errors.h"
#include "scheduler/store/pg/options.h"
#include "scheduler/store/pg/params.h"
#include "scheduler/store/pg/statements.h"
#include "scheduler/store/pg/watchdog.h"

namespace penstock::pg {

// Result of one statement.
struct Answer {
  SqlError error;
  pqxx::result rows;  // empty unless error.ok()
  // The server gave up waiting for a synchronous standby: committed here, but not known to be safe.
  bool wait_cancelled = false;
};

// Not thread-safe. Never reconnects by itself: once !usable() it only fails.
class Connection {
 public:
  // UNAVAILABLE when the server cannot be reached. All references outlive the connection.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Options& options,
                                                          const std::string& dsn,
                                                          const Statements& statements,
                                                          Watchdog& watchdog, const Clock& clock);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement (a constant of sql.h), by itself or in the open transaction, bounded by
  // `bound`. A transaction that has failed takes no more statements.
  Answer Query(std::string_view constant, const Params& params, absl::Duration bound);
  Answer Query(std::string_view constant, const BinaryParams& params, absl::Duration bound);
  // Text without parameters that is no constant of sql.h: a migration.
  Answer Script(const Statement& script, absl::Duration bound);

  SqlError Begin(absl::Duration bound);
  // kLost: it is not known whether the transaction was committed.
  SqlError Commit(absl::Duration bound);
  void Rollback();

  bool usable() const;
  int server_version() const;  // 150002 for 15.2

 private:
  class Notices;
  Connection(const Options& options, const std::string& dsn, const Statements& statements,
             Watchdog& watchdog, const Clock& clock);
  template <typename Body>
  SqlError Bounded(const std::string& name, absl::Duration bound, const Body& body);
  template <typename Values>
  Answer Run(const Statement& statement, const Values& values, absl::Duration bound);
  template <typename Values>
  pqxx::result Execute(pqxx::transaction_base& transaction, const Statement& statement,
                       const Values& values);
  void Observe(const std::string& name, SteadyTime began, bool ok) const;

  const Options& options_;
  const Statements& statements_;
  const Clock& clock_;
  Watchdog& watchdog_;
  pqxx::connection connection_;
  std::unique_ptr<Notices> notices_;
  std::unique_ptr<pqxx::transaction_base> transaction_;
  std::set<std::string> prepared_;
  int watched_fd_ = -1;  // a duplicate of the socket's: stays ours when libpq closes its own
  bool broken_ = false;
};

}  // namespace penstock::pg
