#include "scheduler/store/pg/load.h"

#include <algorithm>
#include <set>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/rows.h"
#include "scheduler/store/pg/sql.h"

namespace penstock::pg {
namespace {

// Runs whose tasks are read by one statement: bounds the size of an answer.
constexpr size_t kRunsPerQuery = 5000;

absl::Status LoadSuspect(Transaction& transaction, core::DomainFacts* facts) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      transaction.Query(sql::kLoadSuspect, Params().Int(facts->domain.value())));
  facts->suspect = TextAt(rows[0], 0);
  return absl::OkStatus();
}

absl::Status LoadNamespaces(Transaction& transaction, core::DomainFacts* facts) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      transaction.Query(sql::kLoadNamespaces, Params().Int(facts->domain.value())));
  for (const pqxx::row& row : rows) {
    facts->namespaces.push_back({NamespaceId(static_cast<int32_t>(IntAt(row, 0))), TextAt(row, 1),
                                 static_cast<int32_t>(IntAt(row, 2))});
  }
  return absl::OkStatus();
}

absl::Status LoadDags(Transaction& transaction, core::DomainFacts* facts) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            transaction.Query(sql::kLoadDags, Params().Int(facts->domain.value())));
  for (const pqxx::row& row : rows) facts->dags.push_back(DagAt(row, 0));
  return absl::OkStatus();
}

absl::Status LoadPools(Transaction& transaction, core::DomainFacts* facts) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      transaction.Query(sql::kLoadPools, Params().Int(facts->domain.value())));
  for (const pqxx::row& row : rows) facts->pools.push_back(PoolAt(row));
  return absl::OkStatus();
}

absl::Status LoadRuns(Transaction& transaction, core::DomainFacts* facts) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            transaction.Query(sql::kLoadRuns, Params().Int(facts->domain.value())));
  facts->runs.reserve(rows.size());
  for (const pqxx::row& row : rows) facts->runs.push_back(RunAt(row, 0));
  return absl::OkStatus();
}

absl::Status LoadTasks(Transaction& transaction, core::DomainFacts* facts) {
  for (size_t first = 0; first < facts->runs.size(); first += kRunsPerQuery) {
    const size_t end = std::min(first + kRunsPerQuery, facts->runs.size());
    std::vector<int64_t> ids;
    for (size_t i = first; i < end; ++i) ids.push_back(facts->runs[i].id.value());
    PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                              transaction.Query(sql::kLoadTasks, Params().Ints(ids)));
    PENSTOCK_ASSIGN_OR_RETURN(const auto tasks, TasksFromArrays(rows[0]));
    facts->tasks.insert(facts->tasks.end(), tasks.begin(), tasks.end());
  }
  const auto by_key = [](const auto& a, const auto& b) { return a.key < b.key; };
  if (!std::is_sorted(facts->tasks.begin(), facts->tasks.end(), by_key)) {
    std::sort(facts->tasks.begin(), facts->tasks.end(), by_key);
  }
  return absl::OkStatus();
}

absl::Status LoadSessions(Transaction& transaction, core::DomainFacts* facts) {
  std::set<int64_t> holders;
  for (const core::TaskRow& task : facts->tasks) {
    if (IsLive(task.state)) holders.insert(task.session.value());
  }
  if (holders.empty()) return absl::OkStatus();
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      transaction.Query(
          sql::kLoadSessions,
          Params().Int(facts->domain.value()).Ints({holders.begin(), holders.end()})));
  for (const pqxx::row& row : rows) {
    PENSTOCK_ASSIGN_OR_RETURN(core::SessionRow session, SessionAt(row));
    facts->sessions.push_back(std::move(session));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status LoadDomain(Transaction& transaction, core::DomainFacts* facts) {
  PENSTOCK_RETURN_IF_ERROR(LoadSuspect(transaction, facts));
  PENSTOCK_RETURN_IF_ERROR(LoadNamespaces(transaction, facts));
  PENSTOCK_RETURN_IF_ERROR(LoadDags(transaction, facts));
  PENSTOCK_RETURN_IF_ERROR(LoadPools(transaction, facts));
  PENSTOCK_RETURN_IF_ERROR(LoadRuns(transaction, facts));
  PENSTOCK_RETURN_IF_ERROR(LoadTasks(transaction, facts));
  return LoadSessions(transaction, facts);
}

absl::Status LoadOneRun(Transaction& transaction, RunId run, core::DomainFacts* facts) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      transaction.Query(sql::kLoadRun, Params().Int(facts->domain.value()).Int(run.value())));
  if (rows.empty()) {
    return MakeStatus(absl::StatusCode::kNotFound, fmt::format("there is no run {}", run.value()));
  }
  facts->runs.push_back(RunAt(rows[0], 0));
  PENSTOCK_RETURN_IF_ERROR(LoadNamespaces(transaction, facts));
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result dags,
      transaction.Query(sql::kLoadDagOfRun, Params().Int(facts->runs[0].dag.value())));
  for (const pqxx::row& row : dags) facts->dags.push_back(DagAt(row, 0));
  PENSTOCK_RETURN_IF_ERROR(LoadTasks(transaction, facts));
  return LoadSessions(transaction, facts);
}

}  // namespace penstock::pg
