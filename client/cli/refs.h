#pragma once
// How people name runs and tasks on a command line.
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/lib/client.h"
#include "penstock/v1/control.pb.h"

namespace penstock::client {

// "42" = the run with this id; "etl/nightly" = the run of DAG etl with the key nightly; "etl" = the
// newest run of DAG etl (then `key` stays empty and ResolveRun asks for its id). Pure.
absl::StatusOr<v1::RunRef> ParseRunRef(std::string_view text);

// The same, with "newest" replaced by an id. NOT_FOUND when the DAG has no run.
absl::StatusOr<v1::RunRef> ResolveRun(Client& client, const std::string& name_space,
                                      std::string_view text);

// "load" or, one instance of a mapped task, "load[3]".
struct TaskRef {
  std::string task;
  int32_t map_index = -1;
};
absl::StatusOr<TaskRef> ParseTaskRef(std::string_view text);
std::string ToString(const TaskRef& ref);

// "42", or "etl/nightly" for a reference without id.
std::string ToString(const v1::RunRef& run);

// RUN_STATE_UP_FOR_RETRY and the like, as people write them: "up_for_retry".
std::string StateName(v1::RunState state);
std::string StateName(v1::TaskState state);
std::string CauseName(v1::Cause cause);
// SUCCESS, FAILED, CANCELLED.
bool IsTerminal(v1::RunState state);
bool IsTerminal(v1::TaskState state);
// The inverse of StateName, for filters; UNSPECIFIED for other words.
v1::RunState ParseRunState(std::string_view name);
v1::TaskState ParseTaskState(std::string_view name);

}  // namespace penstock::client
