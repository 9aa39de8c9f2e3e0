#pragma once
// The one place that reads columns: rows of the statements in sql/ as plain values.
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pqxx/pqxx"
#include "scheduler/core/facts.h"
#include "scheduler/store/catalog.h"

namespace penstock::pg {

// Column `i`; 0, "" or false when it is null.
int64_t IntAt(const pqxx::row& row, int i);
std::string TextAt(const pqxx::row& row, int i);
bool BoolAt(const pqxx::row& row, int i);

// Each takes the columns from `first` on, in the order in which the statements select them.
core::RunRow RunAt(const pqxx::row& row, int first);    // 15 columns
core::TaskRow TaskAt(const pqxx::row& row, int first);  // 16 columns
core::DagRow DagAt(const pqxx::row& row, int first);    // 6 columns
core::PoolRow PoolAt(const pqxx::row& row);
store::NamespaceRecord NamespaceAt(const pqxx::row& row);
store::VersionRecord VersionAt(const pqxx::row& row);
store::DagRecord DagRecordAt(const pqxx::row& row);
store::RunRecord RunRecordAt(const pqxx::row& row);
inline constexpr int kTaskColumns = 16;
inline constexpr int kRunColumns = 15;
inline constexpr int kRunRecordColumns = kRunColumns + 3;

// The row of load_sessions.sql.
absl::StatusOr<core::SessionRow> SessionAt(const pqxx::row& row);
// The one row of load_tasks.sql: an array per column. DATA_LOSS when they do not fit together.
absl::StatusOr<std::vector<core::TaskRow>> TasksFromArrays(const pqxx::row& row);

}  // namespace penstock::pg
