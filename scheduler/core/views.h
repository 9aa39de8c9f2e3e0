#pragma once
// What a Domain shows to people: snapshots made on request, by the code that decides.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/core/facts.h"

namespace penstock::core {

// The primary reason why an instance is where it is. Names are stable: scripts match on them.
enum class Reason : uint8_t {
  kRunning,
  kLeased,
  kSuccess,
  kFailed,
  kSkipped,
  kUpstreamFailed,
  kCancelled,
  kRemoved,
  kRunQueued,  // the DAG already has max_active_runs runs
  kDagPaused,
  kRunHeld,  // an operation on the run (cancel, retry) is under way
  kRunQuarantined,
  kVersionLoading,
  kWaitingUpstream,  // for tasks that have not finished
  kRetryAt,          // up for retry at a known time
  kMaxActiveTasks,   // the run already has max_active_tasks running
  kBlockedPool,      // the pool has too few free slots now
  kPoolTooSmall,     // the pool can never hold it as it is configured now
  kPoolMissing,
  kPoolReserved,      // freed slots are kept for a task that has waited past its bound
  kNoWorker,          // no connected worker serves the queue
  kNoMatchingWorker,  // some serve the queue, none has the labels or the resources
  kWorkersBusy,       // all slots of the matching workers are taken
  kWorkerReserved,
  kInLine,  // nothing blocks it: others are ahead, or the next flush takes it
  kEnding,  // asked to stop; its slot stays taken until the worker confirms
};
std::string_view ToString(Reason reason);  // "blocked_pool"

struct Explanation {
  TaskState state = TaskState::kWaiting;
  int32_t attempt = 0;
  Reason reason = Reason::kInLine;
  std::string sentence;  // "waits for pool etl: 20 of 20 slots taken; position 7 of 31 in line"
  std::string hint;      // what one could do; may be empty
};

struct RunView {
  RunRow row;
  int32_t task_count = 0;
  std::array<int32_t, kTaskStateCount> counts{};
  std::vector<int32_t> running;  // task indices, at most 20
  std::vector<int32_t> failed;   // task indices, at most 20
};

struct PoolView {
  PoolRow row;
  int32_t used = 0;
  int32_t waiting = 0;
};

struct QueueView {
  std::string name;
  int32_t ready = 0;
  int32_t live = 0;
  int32_t workers = 0;
  int32_t free_credits = 0;
};

struct SessionView {
  SessionInfo info;
  int32_t live = 0;  // attempts of this domain
  int32_t credits = 0;
  bool connected = false;
  bool draining = false;
};

// Live state of one instance that has or has no row yet.
struct TaskView {
  TaskState state = TaskState::kWaiting;
  int32_t attempt = 0;
  SessionId session;
};

// Gauges for metrics.
struct DomainStats {
  int64_t live_runs = 0;
  int64_t waiting = 0;  // task instances waiting for upstream
  int64_t ready = 0;
  int64_t live = 0;
  int64_t sessions = 0;
  int64_t free_credits = 0;
  int64_t blocked_pool = 0;     // ready instances in line at a full pool
  int64_t blocked_workers = 0;  // ready instances for which no worker has room
  int64_t blocked_run = 0;      // ready instances held by their run or DAG
  int64_t quarantined_runs = 0;
};

}  // namespace penstock::core
