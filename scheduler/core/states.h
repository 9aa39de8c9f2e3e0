#pragma once
// States of task instances and runs, causes of death, and the one table of legal transitions.
#include <cstdint>
#include <string_view>

namespace penstock::core {

// The numbers are stored in the database: append, never renumber.
enum class TaskState : uint8_t {
  kWaiting = 0,  // for upstream tasks; has no row unless it was cleared
  kReady = 1,    // in line; never stored
  kLeased = 2,   // given to a session, durable
  kRunning = 3,  // known to have started; stored only for attempts that live for seconds
  kSuccess = 4,
  kFailed = 5,
  kSkipped = 6,
  kUpstreamFailed = 7,
  kUpForRetry = 8,  // waiting again, until a stored time
  kDeferred = 9,    // waits on an event, holds no slot
  kCancelled = 10,
  kRemoved = 11,
};
inline constexpr int kTaskStateCount = 12;

enum class RunState : uint8_t {
  kQueued = 0,  // behind max_active_runs
  kRunning = 1,
  kSuccess = 2,
  kFailed = 3,
  kCancelled = 4,
};

// Why an attempt ended. The numbers are stored and are those of penstock.v1.Cause.
enum class Cause : uint8_t {
  kNone = 0,
  kExitCode = 1,
  kSignal = 2,
  kTimeout = 3,
  kOutOfMemory = 4,
  kLeaseLost = 5,
  kWorkerLost = 6,
  kCancelled = 7,
  kRunTimeout = 8,
  kSpawnFailed = 9,
  kOutputInvalid = 10,
  kExpression = 11,
  kHandedBack = 12,
  kSkipRequested = 13,
};

// What a run is on its way to; durable, so that sliced work survives a takeover. The work left to
// do follows from the rows themselves, so no cursor is stored (docs/adr/0005).
enum class RunIntent : uint8_t {
  kNone = 0,
  kCancel = 1,   // unfinished instances become cancelled
  kTimeout = 2,  // unfinished instances become skipped, the run fails
  kRetry = 3,    // failed, cancelled, upstream_failed ones and their descendants are cleared
};

constexpr bool IsTerminal(TaskState s) {
  return s == TaskState::kSuccess || s == TaskState::kFailed || s == TaskState::kSkipped ||
         s == TaskState::kUpstreamFailed || s == TaskState::kCancelled || s == TaskState::kRemoved;
}
constexpr bool IsLive(TaskState s) { return s == TaskState::kLeased || s == TaskState::kRunning; }
constexpr bool IsTerminal(RunState s) {
  return s == RunState::kSuccess || s == RunState::kFailed || s == RunState::kCancelled;
}

// True when an instance may go from `from` to `to` by itself (`by_user` false) or by a recorded
// user action. Every writer asks; tests walk the whole table.
bool TransitionAllowed(TaskState from, TaskState to, bool by_user);

std::string_view ToString(TaskState state);
std::string_view ToString(RunState state);
std::string_view ToString(Cause cause);

}  // namespace penstock::core
