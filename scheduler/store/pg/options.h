#pragma once
// How the stores reach PostgreSQL.
#include <functional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "scheduler/store/fleet_store.h"

namespace penstock::pg {

// Told of every statement: its name (that of its file in sql/), the seconds it took, whether it
// succeeded. Called on the thread that ran the statement; must be fast and thread-safe.
using StatementObserver = std::function<void(std::string_view name, double seconds, bool ok)>;

struct Options {
  // libpq connection string or URI. Keep passwords in a service or password file.
  std::string dsn;
  // For the fleet store's one connection, which needs a session of its own; "" = dsn. Name the
  // server itself here when dsn leads through PgBouncer.
  std::string fleet_dsn;
  std::string schema = "penstock";  // [a-z_][a-z0-9_]*, at most 48 bytes
  // False behind PgBouncer in transaction mode: no prepared statements, no session settings. Then
  // set statement_timeout and idle_in_transaction_session_timeout with ALTER ROLE.
  bool direct = true;
  int max_connections = 8;  // beside the fleet's; opened when needed
  std::string application_name = "penstock-scheduler";

  // A call that has not come back by then is given up and its connection dropped, whatever the
  // server or the network does. `bound` is for single statements (flush, beat) and commits.
  absl::Duration bound = absl::Seconds(5);
  absl::Duration load_bound = absl::Seconds(60);  // for each statement of a load or of maintenance
  absl::Duration connect_timeout = absl::Seconds(5);  // whole seconds, at least 2
  // How long a load waits for a flush that it has to see the end of.
  absl::Duration lock_timeout = absl::Seconds(3);

  store::StoredTerms terms{3'000, 15'000, 1'000};  // stored by the first scheduler ever

  // A partition of the task tables gives out run ids for this long, or this many.
  absl::Duration partition_span = absl::Hours(24);
  int64_t partition_runs = 1'000'000;
  // Dropping one waits this long at most for readers, and holds up flushes no longer.
  absl::Duration drop_lock_timeout = absl::Milliseconds(25);

  StatementObserver observer;  // may be empty
};

}  // namespace penstock::pg
