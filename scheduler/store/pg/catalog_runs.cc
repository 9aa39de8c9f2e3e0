// Runs, task instances, attempts and outputs of the catalog.
#include <algorithm>
#include <limits>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/catalog.h"
#include "scheduler/store/pg/rows.h"
#include "scheduler/store/pg/sql.h"
#include "scheduler/store/pg/transaction.h"

namespace penstock::pg {
namespace {

Params KeyParams(const core::TaskKey& key) {
  return Params().Int(key.run.value()).Int(key.task).Int(key.map);
}

store::TaskRecord TaskRecordAt(const pqxx::row& row) {
  return {TaskAt(row, 0), TextAt(row, kTaskColumns), TextAt(row, kTaskColumns + 1)};
}

store::AttemptView AttemptAt(const pqxx::row& row) {
  return {TaskAt(row, 0), TextAt(row, kTaskColumns), TextAt(row, kTaskColumns + 1),
          BoolAt(row, kTaskColumns + 2)};
}

Params RunFilterParams(NamespaceId ns, const store::RunFilter& filter) {
  Params params;
  params.Int(ns.value());
  if (filter.dag.has_value()) {
    params.Text(*filter.dag);
  } else {
    params.Null();
  }
  std::vector<int64_t> states;
  for (const core::RunState state : filter.states) states.push_back(static_cast<int64_t>(state));
  if (states.empty()) {
    params.Null();
  } else {
    params.Ints(states);
  }
  const int64_t before =
      filter.before ? filter.before.value() : std::numeric_limits<int64_t>::max();
  return params.Int(before).Int(filter.limit);
}

}  // namespace

absl::StatusOr<store::RunRecord> PgCatalog::GetRun(RunId id) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, sql::kGetRun, Params().Int(id.value())));
  if (!rows.empty()) return RunRecordAt(rows[0]);
  return MakeStatus(absl::StatusCode::kNotFound, fmt::format("there is no run {}", id.value()));
}

absl::StatusOr<store::RunRecord> PgCatalog::FindRunByKey(NamespaceId ns, std::string_view dag,
                                                         std::string_view key) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kFindRunByKey, Params().Int(ns.value()).Text(dag).Text(key)));
  if (!rows.empty()) return RunRecordAt(rows[0]);
  return MakeStatus(absl::StatusCode::kNotFound,
                    fmt::format("DAG \"{}\" has no run \"{}\"", dag, key));
}

absl::StatusOr<std::vector<std::optional<store::RunRecord>>> PgCatalog::FindDuplicates(
    const std::vector<store::RunIdentity>& identities) {
  std::vector<int64_t> dags, dates;
  std::vector<std::string> idempotency_keys, run_keys;
  for (const store::RunIdentity& identity : identities) {
    dags.push_back(identity.dag.value());
    idempotency_keys.push_back(identity.idempotency_key);
    run_keys.push_back(identity.run_key);
    dates.push_back(identity.logical_date_us);
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kFindDuplicates,
                   Params().Ints(dags).Texts(idempotency_keys).Texts(run_keys).Ints(dates)));
  std::vector<std::optional<store::RunRecord>> found(identities.size());
  for (const pqxx::row& row : rows) {
    found[static_cast<size_t>(IntAt(row, kRunRecordColumns) - 1)] = RunRecordAt(row);
  }
  return found;
}

absl::StatusOr<std::vector<store::RunRecord>> PgCatalog::ListRuns(NamespaceId ns,
                                                                  const store::RunFilter& filter) {
  const bool live_only = !filter.states.empty() &&
                         std::none_of(filter.states.begin(), filter.states.end(),
                                      [](core::RunState state) { return core::IsTerminal(state); });
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, live_only ? sql::kListLiveRuns : sql::kListRuns,
                                         RunFilterParams(ns, filter)));
  std::vector<store::RunRecord> records;
  for (const pqxx::row& row : rows) records.push_back(RunRecordAt(row));
  return records;
}

absl::StatusOr<std::vector<store::TaskRecord>> PgCatalog::ListTasks(
    RunId run, std::optional<std::pair<int32_t, int32_t>> after, int limit) {
  const auto [task, map] = after.value_or(std::pair(-1, std::numeric_limits<int32_t>::max()));
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, sql::kListTasks,
                                         Params().Int(run.value()).Int(task).Int(map).Int(limit)));
  std::vector<store::TaskRecord> records;
  for (const pqxx::row& row : rows) records.push_back(TaskRecordAt(row));
  return records;
}

absl::StatusOr<std::optional<store::TaskRecord>> PgCatalog::GetTask(const core::TaskKey& key) {
  // The first row at this place or behind it.
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<store::TaskRecord> records,
                            ListTasks(key.run, std::pair(key.task, key.map - 1), 1));
  if (records.empty() || records[0].row.key != key) return std::optional<store::TaskRecord>();
  return std::optional(std::move(records[0]));
}

absl::StatusOr<std::vector<store::AttemptView>> PgCatalog::ListAttempts(const core::TaskKey& key) {
  PENSTOCK_ASSIGN_OR_RETURN(const pqxx::result rows,
                            RunStatement(database_, sql::kListAttempts, KeyParams(key)));
  std::vector<store::AttemptView> attempts;
  for (const pqxx::row& row : rows) attempts.push_back(AttemptAt(row));
  return attempts;
}

absl::StatusOr<std::string> PgCatalog::GetOutput(const core::TaskKey& key) {
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<std::string> outputs, GetOutputs({key}));
  return std::move(outputs[0]);
}

absl::StatusOr<std::vector<std::string>> PgCatalog::GetOutputs(
    const std::vector<core::TaskKey>& keys) {
  std::vector<int64_t> runs;
  std::vector<int64_t> tasks;
  std::vector<int64_t> maps;
  for (const core::TaskKey& key : keys) {
    runs.push_back(key.run.value());
    tasks.push_back(key.task);
    maps.push_back(key.map);
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const pqxx::result rows,
      RunStatement(database_, sql::kGetOutputs, Params().Ints(runs).Ints(tasks).Ints(maps)));
  std::vector<std::string> outputs;
  for (const pqxx::row& row : rows) outputs.push_back(TextAt(row, 0));
  return outputs;
}

}  // namespace penstock::pg
