#include "scheduler/store/pg/connection.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "fmt/format.h"

namespace penstock::pg {
namespace {

// The function of the server that reports a cancelled wait. Messages may be translated, this is
// not.
constexpr std::string_view kSyncRepFunction = "SyncRepWaitForLSN";

using Settings = std::vector<std::pair<std::string_view, std::string>>;

std::string Quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

std::string PercentEncoded(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

// For the session: the server ends a statement shortly before the client gives it up. All of ours
// go by an index; a plan that was made while a table was small must not be kept as a scan of it.
std::string SessionSettings(const Options& options) {
  const int64_t bound_ms = absl::ToInt64Milliseconds(options.bound);
  return fmt::format(
      "-c statement_timeout={} -c idle_in_transaction_session_timeout={} "
      "-c client_min_messages=warning -c jit=off -c enable_seqscan=off -c tcp_user_timeout={} -c "
      "tcp_keepalives_idle=5 "
      "-c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
      bound_ms * 4 / 5, absl::ToInt64Milliseconds(options.load_bound), bound_ms);
}

Settings OwnSettings(const Options& options) {
  Settings settings = {
      {"connect_timeout",
       fmt::format("{}", std::max<int64_t>(2, absl::ToInt64Seconds(options.connect_timeout)))},
      {"keepalives_idle", "5"},
      {"keepalives_interval", "2"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", fmt::format("{}", absl::ToInt64Milliseconds(options.bound))},
      {"application_name", options.application_name},
      {"client_encoding", "UTF8"}};
  if (options.direct) settings.emplace_back("options", SessionSettings(options));
  return settings;
}

bool IsUri(std::string_view dsn) {
  return dsn.substr(0, 13) == "postgresql://" || dsn.substr(0, 11) == "postgres://";
}

// What the DSN says itself wins over our settings.
std::string ConnectionString(const Options& options, const std::string& dsn) {
  std::string out = IsUri(dsn) ? dsn : "";
  for (const auto& [key, value] : OwnSettings(options)) {
    if (!IsUri(dsn)) {
      out += fmt::format("{}={} ", key, Quoted(value));
    } else if (dsn.find(fmt::format("{}=", key)) == std::string::npos) {
      const char separator = out.find('?') == std::string::npos ? '?' : '&';
      out += fmt::format("{}{}={}", separator, key, PercentEncoded(value));
    }
  }
  return IsUri(dsn) ? out : out + dsn;
}

SqlError FromException(const pqxx::sql_error& e) {
  return {KindOfSqlState(e.sqlstate()), e.sqlstate(), FirstLine(e.what())};
}

// Runs `body` and classifies what it throws. The order matters: the first two are rollbacks to
// libpqxx, and no sql_errors.
template <typename Body>
SqlError Classified(const Body& body) {
  try {
    body();
    return {};
  } catch (const pqxx::in_doubt_error& e) {
    return {ErrorKind::kLost, "", FirstLine(e.what())};
  } catch (const pqxx::statement_completion_unknown& e) {
    return {ErrorKind::kLost, "40003", FirstLine(e.what())};
  } catch (const pqxx::transaction_rollback& e) {
    return {ErrorKind::kPassing, "40000", FirstLine(e.what())};
  } catch (const pqxx::broken_connection& e) {
    return {ErrorKind::kLost, "", FirstLine(e.what())};
  } catch (const pqxx::sql_error& e) {
    return FromException(e);
  } catch (const std::exception& e) {
    return {ErrorKind::kBug, "", FirstLine(e.what())};
  }
}

}  // namespace

// Collects the server's notices instead of printing them.
class Connection::Notices : public pqxx::errorhandler {
 public:
  explicit Notices(pqxx::connection_base& connection) : errorhandler(connection) {}
  bool operator()(const char message[]) noexcept override {
    if (std::string_view(message).find(kSyncRepFunction) != std::string_view::npos) {
      wait_cancelled_ = true;
    }
    return false;
  }
  bool TakeWaitCancelled() { return std::exchange(wait_cancelled_, false); }

 private:
  bool wait_cancelled_ = false;
};

Connection::Connection(const Options& options, const std::string& dsn, const Statements& statements,
                       Watchdog& watchdog, const Clock& clock)
    : options_(options),
      statements_(statements),
      clock_(clock),
      watchdog_(watchdog),
      connection_(ConnectionString(options, dsn)),
      notices_(std::make_unique<Notices>(connection_)),
      watched_fd_(::fcntl(connection_.sock(), F_DUPFD_CLOEXEC, 0)) {
  // Notices then name the function they come from.
  connection_.set_verbosity(pqxx::connection_base::verbose);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection_.inhibit_reactivation(true);
#pragma GCC diagnostic pop
}

Connection::~Connection() {
  Rollback();
  if (watched_fd_ >= 0) ::close(watched_fd_);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Options& options,
                                                             const std::string& dsn,
                                                             const Statements& statements,
                                                             Watchdog& watchdog,
                                                             const Clock& clock) {
  std::unique_ptr<Connection> connection;
  const SteadyTime began = clock.Steady();
  const SqlError error = Classified(
      [&] { connection.reset(new Connection(options, dsn, statements, watchdog, clock)); });
  if (options.observer) {
    options.observer("connect", absl::ToDoubleSeconds(clock.Steady() - began), error.ok());
  }
  if (!error.ok()) {
    return MakeStatus(absl::StatusCode::kUnavailable,
                      fmt::format("cannot connect to PostgreSQL: {}", error.text));
  }
  return connection;
}

void Connection::Observe(const std::string& name, SteadyTime began, bool ok) const {
  if (options_.observer) {
    options_.observer(name, absl::ToDoubleSeconds(clock_.Steady() - began), ok);
  }
}

template <typename Body>
SqlError Connection::Bounded(const std::string& name, absl::Duration bound, const Body& body) {
  if (!usable()) return {ErrorKind::kNotConnected, "", "the connection is gone"};
  const SteadyTime began = clock_.Steady();
  SqlError error;
  {
    const Watchdog::Guard guard(watchdog_, watched_fd_, bound);
    error = Classified(body);
  }
  if (!connection_.is_open()) {
    // Whatever the last message was: the server may have finished the work before it said so.
    error.kind = ErrorKind::kLost;
    if (error.text.empty()) error.text = "the connection broke";
    if (clock_.Steady() - began >= bound) {
      error.text = fmt::format("no answer within {}", absl::FormatDuration(bound));
    }
  }
  broken_ = broken_ || error.kind == ErrorKind::kLost;
  Observe(name, began, error.ok());
  return error;
}

template <typename Values>
pqxx::result Connection::Execute(pqxx::transaction_base& transaction, const Statement& statement,
                                 const Values& values) {
  const auto dynamic = pqxx::prepare::make_dynamic_params(values);
  if (!options_.direct) return transaction.exec_params(statement.text, dynamic);
  if (prepared_.insert(statement.name).second) {
    connection_.prepare(statement.name, statement.text);
  }
  return transaction.exec_prepared(statement.name, dynamic);
}

template <typename Values>
Answer Connection::Run(const Statement& statement, const Values& values, absl::Duration bound) {
  Answer answer;
  notices_->TakeWaitCancelled();
  answer.error = Bounded(statement.name, bound, [&] {
    if (transaction_ != nullptr) {
      answer.rows = Execute(*transaction_, statement, values);
    } else {
      pqxx::nontransaction single(connection_);
      answer.rows = Execute(single, statement, values);
    }
  });
  answer.wait_cancelled = notices_->TakeWaitCancelled();
  return answer;
}

Answer Connection::Query(std::string_view constant, const Params& params, absl::Duration bound) {
  if (params.storable()) return Run(statements_.Get(constant), params.values(), bound);
  Answer answer;
  answer.error = {ErrorKind::kRefused, "22021", "a text holds NUL or invalid UTF-8"};
  return answer;
}

Answer Connection::Query(std::string_view constant, const BinaryParams& params,
                         absl::Duration bound) {
  const std::vector<pqxx::binarystring> values(params.values().begin(), params.values().end());
  return Run(statements_.Get(constant), values, bound);
}

Answer Connection::Script(const Statement& script, absl::Duration bound) {
  Answer answer;
  answer.error = Bounded(script.name, bound, [&] {
    if (transaction_ != nullptr) {
      answer.rows = transaction_->exec(script.text);
    } else {
      pqxx::nontransaction single(connection_);
      answer.rows = single.exec(script.text);
    }
  });
  return answer;
}

SqlError Connection::Begin(absl::Duration bound) {
  return Bounded("begin", bound,
                 [&] { transaction_ = std::make_unique<pqxx::work>(connection_, "penstock"); });
}

SqlError Connection::Commit(absl::Duration bound) {
  notices_->TakeWaitCancelled();
  SqlError error = Bounded("commit", bound, [&] { transaction_->commit(); });
  if (error.ok() && notices_->TakeWaitCancelled()) {
    error = {ErrorKind::kLost, "", "the wait for a synchronous standby was cancelled"};
  }
  Rollback();
  return error;
}

void Connection::Rollback() {
  if (transaction_ == nullptr) return;
  const SqlError error = Classified([&] {
    const Watchdog::Guard guard(watchdog_, watched_fd_, options_.bound);
    transaction_.reset();
  });
  broken_ = broken_ || !error.ok() || !connection_.is_open();
}

bool Connection::usable() const { return !broken_ && connection_.is_open(); }

int Connection::server_version() const { return connection_.server_version(); }

}  // namespace penstock::pg
