#include "scheduler/store/pg/database.h"

#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/connection.h"

namespace penstock::pg {

Database::Lease::Lease(Database& database, std::unique_ptr<Connection> connection)
    : database_(&database), connection_(std::move(connection)) {}

Database::Lease::~Lease() {
  if (database_ != nullptr) database_->GiveBack(std::move(connection_));
}

Database::Lease::Lease(Lease&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)),
      connection_(std::move(other.connection_)) {}

Database::Database(Options options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      statements_(std::make_unique<Statements>(options_.schema)),
      watchdog_(std::make_unique<Watchdog>(clock)) {}

Database::~Database() = default;

absl::StatusOr<std::unique_ptr<Database>> Database::Create(Options options, const Clock& clock) {
  PENSTOCK_RETURN_IF_ERROR(ValidateSchemaName(options.schema));
  return std::unique_ptr<Database>(new Database(std::move(options), clock));
}

absl::StatusOr<std::unique_ptr<Connection>> Database::TakeSlot() {
  const SteadyTime deadline = clock_.Steady() + options_.bound;
  MutexLock lock(&mu_);
  while (!refuses_ && idle_.empty() && out_ >= options_.max_connections) {
    const absl::Duration left = deadline - clock_.Steady();
    if (left <= absl::ZeroDuration()) {
      return MakeStatus(absl::StatusCode::kUnavailable,
                        fmt::format("all {} database connections are busy", out_));
    }
    freed_.WaitWithTimeout(&mu_, left);
  }
  if (refuses_) return absl::UnavailableError("the database does not answer this scheduler");
  ++out_;
  if (idle_.empty()) return std::unique_ptr<Connection>();
  std::unique_ptr<Connection> connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

absl::StatusOr<Database::Lease> Database::Borrow() {
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, TakeSlot());
  if (connection != nullptr) return Lease(*this, std::move(connection));
  auto opened = Connection::Open(options_, options_.dsn, *statements_, *watchdog_, clock_);
  if (!opened.ok()) {
    GiveBack(nullptr);
    return opened.status();
  }
  return Lease(*this, *std::move(opened));
}

void Database::Refuse(bool refuse) {
  {
    MutexLock lock(&mu_);
    refuses_ = refuse;
    freed_.SignalAll();
  }
  if (refuse) watchdog_->EndAll();
}

absl::StatusOr<std::unique_ptr<Connection>> Database::OpenForFleet() {
  const std::string& dsn = options_.fleet_dsn.empty() ? options_.dsn : options_.fleet_dsn;
  return Connection::Open(options_, dsn, *statements_, *watchdog_, clock_);
}

// The vanished server took all idle connections with it: one that broke empties the pool.
void Database::GiveBack(std::unique_ptr<Connection> connection) {
  if (connection != nullptr) connection->Rollback();
  std::vector<std::unique_ptr<Connection>> dropped;  // closed after the lock is
  MutexLock lock(&mu_);
  --out_;
  freed_.Signal();
  if (connection == nullptr) return;
  if (connection->usable()) {
    idle_.push_back(std::move(connection));
    return;
  }
  dropped.swap(idle_);
  dropped.push_back(std::move(connection));
}

}  // namespace penstock::pg
