#include "scheduler/store/pg/transaction.h"

#include "absl/time/clock.h"
#include "common/base/backoff.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/sql.h"

namespace penstock::pg {
namespace {

constexpr int kMaxAttempts = 4;
// A connection that breaks sooner than this was dead before: no reason to give up.
constexpr absl::Duration kFoundDead = absl::Seconds(1);

std::string Milliseconds(absl::Duration d) {
  return fmt::format("{}", absl::ToInt64Milliseconds(d));
}

SqlError SetLimits(Connection& connection, const TransactionLimits& limits) {
  return connection
      .Query(
          sql::kTransactionLimits,
          Params().Text(Milliseconds(limits.lock_timeout)).Text(Milliseconds(limits.bound * 0.9)),
          limits.bound)
      .error;
}

struct Outcome {
  absl::Status status;
  bool may_repeat = false;
};

// A wait for a lock that was too long already is not worth another one.
bool MayRepeat(const SqlError& error, absl::Duration took) {
  const bool waited = error.sqlstate == "55P03" || error.sqlstate == "57014";
  return (error.kind == ErrorKind::kPassing && !waited) ||
         (error.kind == ErrorKind::kLost && took < kFoundDead);
}

Outcome RunOnce(Connection& connection, const TransactionLimits& limits,
                const std::function<absl::Status(Transaction&)>& body) {
  const SteadyTime began = RealClock().Steady();
  const auto failed = [&](const SqlError& error) {
    return Outcome{ToStatus(error), MayRepeat(error, RealClock().Steady() - began)};
  };
  if (const SqlError error = connection.Begin(limits.bound); !error.ok()) return failed(error);
  if (const SqlError error = SetLimits(connection, limits); !error.ok()) return failed(error);
  Transaction transaction(connection, limits.bound);
  const absl::Status status = body(transaction);
  if (!status.ok()) {
    connection.Rollback();
    return {status, MayRepeat(transaction.error(), RealClock().Steady() - began)};
  }
  const SqlError error = connection.Commit(limits.bound);
  return {ToStatus(error), error.kind == ErrorKind::kPassing};
}

// Tries again, after a moment, what may be repeated.
template <typename Attempt>
absl::Status Repeat(const Attempt& attempt) {
  Backoff backoff(absl::Milliseconds(5), absl::Milliseconds(100),
                  static_cast<uint64_t>(RandomId()));
  for (int i = 1;; ++i) {
    const Outcome outcome = attempt();
    if (outcome.status.ok() || !outcome.may_repeat || i == kMaxAttempts) return outcome.status;
    absl::SleepFor(backoff.Next());
  }
}

}  // namespace

absl::StatusOr<pqxx::result> Transaction::Take(Answer answer) {
  if (answer.error.ok()) return std::move(answer.rows);
  error_ = answer.error;
  return ToStatus(error_);
}

absl::StatusOr<pqxx::result> Transaction::Query(std::string_view constant, const Params& params) {
  return Take(connection_.Query(constant, params, bound_));
}

absl::StatusOr<pqxx::result> Transaction::Script(const Statement& script) {
  return Take(connection_.Script(script, bound_));
}

absl::Status RunTransaction(Database& database, const TransactionLimits& limits,
                            const std::function<absl::Status(Transaction&)>& body) {
  return Repeat([&]() -> Outcome {
    auto connection = database.Borrow();
    if (!connection.ok()) return {connection.status(), false};
    return RunOnce(**connection, limits, body);
  });
}

absl::StatusOr<pqxx::result> RunStatement(Database& database, std::string_view constant,
                                          const Params& params) {
  pqxx::result rows;
  const absl::Status status = Repeat([&]() -> Outcome {
    auto connection = database.Borrow();
    if (!connection.ok()) return {connection.status(), false};
    const SteadyTime began = RealClock().Steady();
    Answer answer = (*connection)->Query(constant, params, database.options().bound);
    rows = answer.rows;
    return {ToStatus(answer.error), MayRepeat(answer.error, RealClock().Steady() - began)};
  });
  if (!status.ok()) return status;
  return rows;
}

}  // namespace penstock::pg
