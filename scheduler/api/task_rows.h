#pragma once
// One picture of a task instance from its row and from what the owner sees.
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/dag/topology.h"
#include "scheduler/core/views.h"
#include "scheduler/store/catalog.h"

namespace penstock::api {

// What a row that does not exist stands for: waiting, never dispatched.
store::TaskRecord WaitingTask(const core::TaskKey& key);

// `row` was read after `view` was taken. A terminal row has the last word; else the owner knows
// more: instances in line have no row, `running` is written late, and a new attempt's row may be
// older than the attempt.
store::TaskRecord Merge(const core::TaskKey& key, const std::optional<store::TaskRecord>& row,
                        const std::optional<core::TaskView>& view);

// Why an instance that has ended is where it is, or one whose run has ended before it could run.
// `decisive`: the upstream instances that Decides() picked, for an end without an attempt.
core::Explanation ExplainRow(const store::TaskRecord& task, core::RunState run,
                             const dag::Topology& topology,
                             const std::vector<store::TaskRecord>& decisive = {});
// Why an instance waits for its next attempt. `task.row` is up_for_retry.
std::string DescribeRetry(const store::TaskRecord& task);

// Whether an instance came to `ending` (skipped or upstream_failed) without an attempt, so that
// only its trigger rule tells why.
bool EndedByRule(const store::TaskRecord& task);
// Whether an upstream instance in state `upstream` is why a task with that rule ended so.
bool Decides(dag::TriggerRule rule, core::TaskState ending, core::TaskState upstream);

// The index of a task. NOT_FOUND with a guess at what was meant.
absl::StatusOr<int32_t> FindTask(const dag::Topology& topology, const std::string& id);

}  // namespace penstock::api
