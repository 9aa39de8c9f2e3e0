#include "scheduler/api/progress.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "common/base/status_macros.h"
#include "scheduler/api/convert.h"

namespace penstock::api {
namespace {

constexpr int kRowsPerRead = 5000;
using Counts = std::array<int32_t, core::kTaskStateCount>;

void AddCounts(const Counts& counts, v1::RunProgress* progress) {
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    v1::StateCount* count = progress->add_counts();
    count->set_state(ToProto(static_cast<core::TaskState>(i)));
    count->set_count(counts[i]);
  }
}

const std::string& TaskId(const Version& version, int32_t task) {
  return version.topology->spec(static_cast<uint32_t>(task)).id;
}

int32_t& Of(Counts& counts, core::TaskState state) { return counts[static_cast<size_t>(state)]; }

}  // namespace

v1::RunProgress ToProgress(const core::RunView& view, const store::RunRecord& run,
                           std::string_view ns, const Version& version) {
  v1::RunProgress progress;
  *progress.mutable_run() = ToProto(view.row, ns, run.dag_name, run.version_number);
  progress.set_task_count(view.task_count);
  AddCounts(view.counts, &progress);
  for (int32_t task : view.running) progress.add_running(TaskId(version, task));
  for (int32_t task : view.failed) progress.add_failed(TaskId(version, task));
  return progress;
}

absl::StatusOr<v1::RunProgress> EndedProgress(store::Catalog& catalog, const store::RunRecord& run,
                                              std::string_view ns, const Version& version) {
  v1::RunProgress progress;
  *progress.mutable_run() = ToProto(run, ns);
  const auto total = static_cast<int32_t>(version.topology->task_count());
  progress.set_task_count(total);
  Counts counts{};
  Of(counts, core::TaskState::kWaiting) = total;
  std::optional<std::pair<int32_t, int32_t>> after;
  for (bool more = true; more;) {
    PENSTOCK_ASSIGN_OR_RETURN(const auto rows, catalog.ListTasks(run.row.id, after, kRowsPerRead));
    for (const store::TaskRecord& task : rows) {
      --Of(counts, core::TaskState::kWaiting);
      ++Of(counts, task.row.state);
      const bool failed = task.row.state == core::TaskState::kFailed;
      if (!failed || progress.failed_size() >= kMaxNamedTasks) continue;
      progress.add_failed(TaskId(version, task.row.key.task));
    }
    more = static_cast<int>(rows.size()) == kRowsPerRead;
    if (more) after = {rows.back().row.key.task, rows.back().row.key.map};
  }
  AddCounts(counts, &progress);
  return progress;
}

}  // namespace penstock::api
