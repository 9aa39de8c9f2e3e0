#include "scheduler/store/pg/rows.h"

#include <array>
#include <charconv>
#include <string_view>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "scheduler/store/pg/arrays.h"

namespace penstock::pg {
namespace {

std::string_view ViewAt(const pqxx::row& row, int i) {
  const pqxx::field field = row[i];
  return {field.c_str(), field.size()};
}

template <typename T>
T SmallAt(const pqxx::row& row, int i) {
  return static_cast<T>(IntAt(row, i));
}

template <typename Id>
Id IdAt(const pqxx::row& row, int i) {
  return Id(static_cast<typename Id::rep>(IntAt(row, i)));
}

absl::Status ReadPairs(const pqxx::row& row, int first, core::SessionInfo* info) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto label_names, ParseTextArray(ViewAt(row, first)));
  PENSTOCK_ASSIGN_OR_RETURN(const auto label_values, ParseTextArray(ViewAt(row, first + 1)));
  PENSTOCK_ASSIGN_OR_RETURN(const auto custom_names, ParseTextArray(ViewAt(row, first + 4)));
  PENSTOCK_ASSIGN_OR_RETURN(const auto amounts, ParseIntArray(ViewAt(row, first + 5)));
  if (label_names.size() != label_values.size() || custom_names.size() != amounts.size()) {
    return MakeStatus(absl::StatusCode::kDataLoss, "a session's names and values do not pair");
  }
  for (size_t i = 0; i < label_names.size(); ++i) info->labels[label_names[i]] = label_values[i];
  for (size_t i = 0; i < custom_names.size(); ++i) {
    info->custom_resources[custom_names[i]] = amounts[i];
  }
  return absl::OkStatus();
}

}  // namespace

int64_t IntAt(const pqxx::row& row, int i) {
  const std::string_view text = ViewAt(row, i);
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string TextAt(const pqxx::row& row, int i) { return std::string(ViewAt(row, i)); }

bool BoolAt(const pqxx::row& row, int i) { return ViewAt(row, i) == "t"; }

core::RunRow RunAt(const pqxx::row& row, int first) {
  core::RunRow run;
  run.id = IdAt<RunId>(row, first);
  run.dag = IdAt<DagId>(row, first + 1);
  run.version = IdAt<VersionId>(row, first + 2);
  run.key = TextAt(row, first + 3);
  run.idempotency_key = TextAt(row, first + 4);
  run.logical_date_us = IntAt(row, first + 5);
  run.params_json = TextAt(row, first + 6);
  run.note = TextAt(row, first + 7);
  run.state = SmallAt<core::RunState>(row, first + 8);
  run.intent = SmallAt<core::RunIntent>(row, first + 9);
  run.reason = TextAt(row, first + 10);
  run.quarantined = BoolAt(row, first + 11);
  run.created_us = IntAt(row, first + 12);
  run.started_us = IntAt(row, first + 13);
  run.finished_us = IntAt(row, first + 14);
  return run;
}

core::TaskRow TaskAt(const pqxx::row& row, int first) {
  core::TaskRow task;
  task.key = {IdAt<RunId>(row, first), SmallAt<int32_t>(row, first + 1),
              SmallAt<int32_t>(row, first + 2)};
  task.state = SmallAt<core::TaskState>(row, first + 3);
  task.attempt = SmallAt<int32_t>(row, first + 4);
  task.tries = SmallAt<int32_t>(row, first + 5);
  task.infra_tries = SmallAt<int32_t>(row, first + 6);
  task.session = IdAt<SessionId>(row, first + 7);
  task.started_us = IntAt(row, first + 8);
  task.finished_us = IntAt(row, first + 9);
  task.retry_at_us = IntAt(row, first + 10);
  task.cause = SmallAt<core::Cause>(row, first + 11);
  task.exit_code = SmallAt<int32_t>(row, first + 12);
  task.signal = SmallAt<int32_t>(row, first + 13);
  task.peak_rss_kib = IntAt(row, first + 14);
  task.cpu_ms = IntAt(row, first + 15);
  return task;
}

core::DagRow DagAt(const pqxx::row& row, int first) {
  return {IdAt<DagId>(row, first),         IdAt<NamespaceId>(row, first + 1),
          TextAt(row, first + 2),          BoolAt(row, first + 3),
          IdAt<VersionId>(row, first + 4), SmallAt<int32_t>(row, first + 5)};
}

core::PoolRow PoolAt(const pqxx::row& row) {
  return {TextAt(row, 0), SmallAt<int32_t>(row, 1), TextAt(row, 2)};
}

store::NamespaceRecord NamespaceAt(const pqxx::row& row) {
  return {IdAt<NamespaceId>(row, 0), TextAt(row, 1), IdAt<DomainId>(row, 2),
          SmallAt<int32_t>(row, 3), IntAt(row, 4)};
}

store::VersionRecord VersionAt(const pqxx::row& row) {
  return {IdAt<VersionId>(row, 0),  IdAt<NamespaceId>(row, 1),
          TextAt(row, 2),           TextAt(row, 3),
          SmallAt<int32_t>(row, 4), TextAt(row, 5),
          TextAt(row, 6),           TextAt(row, 7),
          SmallAt<int32_t>(row, 8), IntAt(row, 9)};
}

store::DagRecord DagRecordAt(const pqxx::row& row) {
  store::DagRecord record;
  record.row = DagAt(row, 0);
  record.description = TextAt(row, 6);
  record.version_number = SmallAt<int32_t>(row, 7);
  record.version_hash = TextAt(row, 8);
  record.task_count = SmallAt<int32_t>(row, 9);
  record.created_us = IntAt(row, 10);
  record.updated_us = IntAt(row, 11);
  return record;
}

store::RunRecord RunRecordAt(const pqxx::row& row) {
  return {RunAt(row, 0), TextAt(row, kRunColumns), IdAt<NamespaceId>(row, kRunColumns + 1),
          SmallAt<int32_t>(row, kRunColumns + 2)};
}

absl::StatusOr<core::SessionRow> SessionAt(const pqxx::row& row) {
  core::SessionRow session;
  core::SessionInfo& info = session.info;
  info.id = IdAt<SessionId>(row, 0);
  info.name = TextAt(row, 1);
  info.group = TextAt(row, 2);
  PENSTOCK_ASSIGN_OR_RETURN(info.queues, ParseTextArray(ViewAt(row, 3)));
  PENSTOCK_RETURN_IF_ERROR(ReadPairs(row, 4, &info));
  info.cpu_millis = IntAt(row, 6);
  info.memory_bytes = IntAt(row, 7);
  info.slots = SmallAt<int32_t>(row, 10);
  info.started_us = IntAt(row, 11);
  info.version = TextAt(row, 12);
  session.hello_epoch = IdAt<Epoch>(row, 13);
  return session;
}

absl::StatusOr<std::vector<core::TaskRow>> TasksFromArrays(const pqxx::row& row) {
  std::array<std::vector<int64_t>, kTaskColumns> columns;
  for (int i = 0; i < kTaskColumns; ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(columns.at(static_cast<size_t>(i)), ParseIntArray(ViewAt(row, i)));
    if (columns.at(static_cast<size_t>(i)).size() != columns[0].size()) {
      return MakeStatus(absl::StatusCode::kDataLoss,
                        fmt::format("load_tasks: column {} has another length", i));
    }
  }
  std::vector<core::TaskRow> tasks(columns[0].size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    const auto small = [&](size_t c) { return static_cast<int32_t>(columns.at(c)[i]); };
    core::TaskRow& task = tasks[i];
    task.key = {RunId(columns[0][i]), small(1), small(2)};
    task.state = static_cast<core::TaskState>(columns[3][i]);
    task.attempt = small(4);
    task.tries = small(5);
    task.infra_tries = small(6);
    task.session = SessionId(columns[7][i]);
    task.started_us = columns[8][i];
    task.finished_us = columns[9][i];
    task.retry_at_us = columns[10][i];
    task.cause = static_cast<core::Cause>(columns[11][i]);
    task.exit_code = small(12);
    task.signal = small(13);
    task.peak_rss_kib = columns[14][i];
    task.cpu_ms = columns[15][i];
  }
  return tasks;
}

}  // namespace penstock::pg
