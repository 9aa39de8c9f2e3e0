#pragma once
// One PostgreSQL database as a scheduler uses it: a few connections and what goes with them.
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "scheduler/store/pg/options.h"

namespace penstock::pg {

class Connection;
class Statements;
class Watchdog;

// Thread-safe. Outlives everything that is made with it.
class Database {
 public:
  // Connects to nothing yet. INVALID_ARGUMENT for a bad schema name.
  static absl::StatusOr<std::unique_ptr<Database>> Create(Options options,
                                                          const Clock& clock = RealClock());
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // A connection on loan; it goes back at the end, unless it broke.
  class Lease {
   public:
    Lease(Database& database, std::unique_ptr<Connection> connection);
    ~Lease();
    Lease(Lease&&) noexcept;
    Lease& operator=(Lease&&) = delete;
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    Database* database_;
    std::unique_ptr<Connection> connection_;
  };

  // Waits for a free one when max_connections are out; UNAVAILABLE after Options::bound, or when
  // the server cannot be reached.
  absl::StatusOr<Lease> Borrow() ABSL_LOCKS_EXCLUDED(mu_);
  // True: ends what waits for the server or a connection, and refuses until false, all with
  // UNAVAILABLE. For when it is known to be in vain. What slips in at that moment is ended by the
  // next call with true; a connection that is being opened takes its time.
  void Refuse(bool refuse) ABSL_LOCKS_EXCLUDED(mu_);
  // A connection of one's own, to the fleet DSN, not counted.
  absl::StatusOr<std::unique_ptr<Connection>> OpenForFleet();

  const Options& options() const { return options_; }
  const Statements& statements() const { return *statements_; }

 private:
  Database(Options options, const Clock& clock);
  void GiveBack(std::unique_ptr<Connection> connection) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::unique_ptr<Connection>> TakeSlot() ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  const Clock& clock_;
  const std::unique_ptr<const Statements> statements_;
  const std::unique_ptr<Watchdog> watchdog_;
  Mutex mu_;
  CondVar freed_;
  int out_ ABSL_GUARDED_BY(mu_) = 0;
  bool refuses_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mu_);  // the last is the freshest
};

}  // namespace penstock::pg
