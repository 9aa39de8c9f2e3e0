#include "scheduler/store/pg/domain_store.h"

#include <charconv>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/arrays.h"
#include "scheduler/store/pg/connection.h"
#include "scheduler/store/pg/flush_encoding.h"
#include "scheduler/store/pg/load.h"
#include "scheduler/store/pg/rows.h"
#include "scheduler/store/pg/sql.h"
#include "scheduler/store/pg/transaction.h"

namespace penstock::pg {
namespace {

using store::FlushVerdict;
using store::LoadResult;

TransactionLimits LoadLimits(const Options& options) {
  return {options.load_bound, options.lock_timeout};
}

FlushVerdict VerdictOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kNone:
      return FlushVerdict::kCommitted;
    case ErrorKind::kLost:
      return FlushVerdict::kUnknown;
    case ErrorKind::kDeposed:
      return FlushVerdict::kFenced;
    case ErrorKind::kStale:
    case ErrorKind::kRefused:
      return FlushVerdict::kRejected;
    case ErrorKind::kNotConnected:
    case ErrorKind::kPassing:
    case ErrorKind::kBug:
      break;
  }
  return FlushVerdict::kFailed;
}

absl::Status Deposed() {
  return MakeStatus(absl::StatusCode::kAborted, "the domain has another owner");
}

store::FlushResult Judge(const Answer& answer) {
  if (!answer.error.ok()) return {VerdictOf(answer.error.kind), ToStatus(answer.error), RunId()};
  if (answer.wait_cancelled) {
    return {FlushVerdict::kUnknown,
            MakeStatus(absl::StatusCode::kUnavailable,
                       "the wait for a synchronous standby was cancelled"),
            RunId()};
  }
  if (!BoolAt(answer.rows[0], 0)) {
    return {FlushVerdict::kFenced, Deposed(), RunId()};
  }
  return {FlushVerdict::kCommitted, absl::OkStatus(), RunId()};
}

// The run that a stale_1 message names ("stale dispatch: run 7 task ..."); 0 = none.
RunId RunNamedBy(const std::string& text) {
  constexpr std::string_view kMark = ": run ";
  const size_t at = text.find(kMark);
  int64_t id = 0;
  if (at != std::string::npos) {
    const char* const digits = text.data() + at + kMark.size();
    std::from_chars(digits, text.data() + text.size(), id);
  }
  return RunId(id);
}

// The first new run whose key, idempotency key or logical date is taken; 0 = none.
RunId FindDuplicate(Connection& connection, absl::Duration bound,
                    const std::vector<core::RunRow>& runs) {
  SectionBuilder section;
  section.Ints(runs, [](const auto& r) { return r.id.value(); })
      .Ints(runs, [](const auto& r) { return r.dag.value(); })
      .Texts(runs, [](const auto& r) -> std::string_view { return r.key; })
      .OptionalTexts(runs, [](const auto& r) -> std::string_view { return r.idempotency_key; })
      .Ints(
          runs, [](const auto& r) { return r.logical_date_us; }, 0);
  auto array = section.Finish();
  if (runs.empty() || !array.ok()) return RunId();
  const Answer answer =
      connection.Query(sql::kFirstDuplicate, BinaryParams().Array(*std::move(array)), bound);
  return answer.error.ok() && !answer.rows.empty() ? RunId(IntAt(answer.rows[0], 0)) : RunId();
}

// The run of the first dispatch that takes its row for new although there is one; 0 = none.
RunId FindTaken(Connection& connection, absl::Duration bound,
                const std::vector<core::Dispatch>& dispatches) {
  if (dispatches.empty()) return RunId();
  const Answer answer =
      connection.Query(sql::kFirstTaken, BinaryParams().Array(EncodeDispatches(dispatches)), bound);
  return answer.error.ok() && !answer.rows.empty() ? RunId(IntAt(answer.rows[0], 0)) : RunId();
}

// Names the run that made the flush meet a row in its place.
void Explain(Connection& connection, absl::Duration bound, const core::FlushBatch& batch,
             store::FlushResult* result) {
  constexpr std::string_view kTaskInstances = "\"task_instance_p";  // the key of a partition
  if (Message(result->status).find(kTaskInstances) == std::string_view::npos) {
    result->culprit = FindDuplicate(connection, bound, batch.new_runs);
    return;
  }
  result->culprit = FindTaken(connection, bound, batch.dispatches);
  result->status = MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      fmt::format("stale dispatch: run {}: a row is there already", result->culprit.value()));
}

// The first columns of take_over.sql and reload.sql.
void ReadPlace(const pqxx::row& row, core::DomainFacts* facts) {
  facts->epoch = Epoch(IntAt(row, 0));
  facts->flush_seq = FlushSeq(IntAt(row, 1));
  facts->loads_without_progress = static_cast<int32_t>(IntAt(row, 2));
  facts->incarnation = Incarnation(IntAt(row, 3));
  facts->first_attempt = static_cast<int32_t>(IntAt(row, 4));
  facts->waits = BoolAt(row, 5);
}

}  // namespace

absl::StatusOr<LoadResult> PgDomainStore::TakeOver(SchedulerId self,
                                                   const core::OwnerProtocol::TakeOver& request) {
  const auto body = [&](Transaction& transaction) -> absl::StatusOr<LoadResult> {
    PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                              transaction.Query(sql::kTakeOver, Params()
                                                                    .Int(domain_.value())
                                                                    .Int(self.value())
                                                                    .Int(request.seen.value())
                                                                    .Int(request.known.value())));
    LoadResult result;
    result.facts.domain = domain_;
    ReadPlace(rows[0], &result.facts);
    PENSTOCK_RETURN_IF_ERROR(LoadDomain(transaction, &result.facts));
    return result;
  };
  return InTransaction<LoadResult>(database_, LoadLimits(database_.options()), body);
}

absl::StatusOr<LoadResult> PgDomainStore::Reload(const core::OwnerProtocol::Reload& request) {
  const auto body = [&](Transaction& transaction) -> absl::StatusOr<LoadResult> {
    PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                              transaction.Query(sql::kReload, Params()
                                                                  .Int(domain_.value())
                                                                  .Int(request.epoch.value())
                                                                  .Int(request.in_doubt.value())
                                                                  .Int(request.known.value())
                                                                  .Bool(request.waited)));
    LoadResult result;
    result.facts.domain = domain_;
    ReadPlace(rows[0], &result.facts);
    if (request.in_doubt) result.in_doubt_committed = BoolAt(rows[0], 6);
    if (!request.refused) {
      --result.facts.loads_without_progress;
      PENSTOCK_RETURN_IF_ERROR(
          transaction.Query(sql::kUncountLoad, Params().Int(domain_.value())).status());
    }
    PENSTOCK_RETURN_IF_ERROR(LoadDomain(transaction, &result.facts));
    return result;
  };
  return InTransaction<LoadResult>(database_, LoadLimits(database_.options()), body);
}

store::FlushResult PgDomainStore::Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) {
  const auto params = EncodeFlush(domain_, epoch, seq, batch);
  if (!params.ok()) return {FlushVerdict::kRejected, params.status(), RunId()};
  auto connection = database_.Borrow();
  if (!connection.ok()) return {FlushVerdict::kFailed, connection.status(), RunId()};
  const absl::Duration bound = database_.options().bound;
  const Answer answer = (*connection)->Query(sql::kFlush, *params, bound);
  store::FlushResult result = Judge(answer);
  if (answer.error.kind == ErrorKind::kStale) result.culprit = RunNamedBy(answer.error.text);
  if (absl::IsAlreadyExists(result.status)) Explain(**connection, bound, batch, &result);
  return result;
}

absl::Status PgDomainStore::Note(Epoch epoch, const std::string& suspect) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kNoteSuspect,
                   Params().Int(domain_.value()).Int(epoch.value()).Text(suspect)));
  return rows.empty() ? Deposed() : absl::OkStatus();
}

absl::StatusOr<store::IdBlock> PgDomainStore::TakeIds(Epoch epoch, int64_t count) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kTakeIds,
                   Params().Int(domain_.value()).Int(epoch.value()).Int(count)));
  return store::IdBlock{RunId(IntAt(rows[0], 0)), count};
}

absl::Status PgDomainStore::Release(Epoch epoch) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, sql::kReleaseDomain,
                                         Params().Int(domain_.value()).Int(epoch.value())));
  return rows.empty() ? Deposed() : absl::OkStatus();
}

absl::StatusOr<core::DomainFacts> PgDomainStore::LoadRun(RunId run) {
  const auto body = [&](Transaction& transaction) -> absl::StatusOr<core::DomainFacts> {
    core::DomainFacts facts;
    facts.domain = domain_;
    PENSTOCK_RETURN_IF_ERROR(LoadOneRun(transaction, run, &facts));
    return facts;
  };
  return InTransaction<core::DomainFacts>(database_, LoadLimits(database_.options()), body);
}

}  // namespace penstock::pg
