#pragma once
// One picture of a task instance from its row and from what the owner sees.
#include <optional>
#include <string>

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

// Why an instance of a run that is not live is where it is.
core::Explanation ExplainRow(const store::TaskRecord& task, core::RunState run);

// The index of a task. NOT_FOUND with a guess at what was meant.
absl::StatusOr<int32_t> FindTask(const dag::Topology& topology, const std::string& id);

}  // namespace penstock::api
