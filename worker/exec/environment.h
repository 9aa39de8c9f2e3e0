#pragma once
// The environment of an attempt: nothing of the worker's own but what is listed here.
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/exec/launch_spec.h"

namespace penstock::worker::exec {

// What all attempts of a worker share.
struct EnvironmentOptions {
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::string home = "/";
  std::string life;  // guard::kLifeVariable
  // "KEY=value" of the worker's that the operator hands on (proxies, certificates, TZ).
  std::vector<std::string> handed_on;
};

// Name of the output file in the working directory.
inline constexpr char kOutputName[] = ".penstock_output";

// "KEY=value" entries, each key once. Later ones win: handed on < the basics < the task's own env <
// Penstock's own. The basics are PATH, HOME, LANG=C.UTF-8 and TMPDIR (the working directory).
// Penstock's own:
//   PENSTOCK_NAMESPACE, PENSTOCK_DAG, PENSTOCK_TASK, PENSTOCK_RUN_ID (a number), PENSTOCK_RUN_KEY
//   PENSTOCK_MAP_INDEX        only if the task is mapped
//   PENSTOCK_LOGICAL_DATE     only if the run has one
//   PENSTOCK_PARAMS           the run's parameters as one JSON object
//   PENSTOCK_ATTEMPT          the fencing number: only grows, every attempt has another
//   PENSTOCK_TRY_NUMBER       1, 2, ...: what the user's retries count
//   PENSTOCK_IDEMPOTENCY_KEY  the same for every attempt of the instance, unlike any other's
//   PENSTOCK_OUTPUT           the file for outputs (see output.h)
//   PENSTOCK_WORKER_LIFE      names the worker's process, for cleaning up
// InvalidArgument: a name is empty or holds '=', or a name or value holds a NUL.
absl::StatusOr<std::vector<std::string>> BuildEnvironment(const LaunchSpec& spec,
                                                          const EnvironmentOptions& options,
                                                          const std::string& work_dir);

// Stable over the attempts of a task instance: namespace/dag/run id/task[/map index].
std::string IdempotencyKey(const LaunchSpec& spec);

}  // namespace penstock::worker::exec
