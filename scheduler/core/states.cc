#include "scheduler/core/states.h"

#include <array>

namespace penstock::core {
namespace {

constexpr uint16_t Bit(TaskState s) { return static_cast<uint16_t>(1u << static_cast<int>(s)); }
template <typename... States>
constexpr uint16_t Set(States... states) {
  return static_cast<uint16_t>((0 | ... | Bit(states)));
}

using enum TaskState;
constexpr uint16_t kEndings =
    Set(kSuccess, kFailed, kSkipped, kUpstreamFailed, kCancelled, kRemoved);

// Row = from, bits = to. Ready is reached from every state in which nothing runs; a lost or
// handed-back lease returns to waiting or ready.
constexpr std::array<uint16_t, kTaskStateCount> kByItself = {
    /* waiting         */ static_cast<uint16_t>(Set(kReady) | kEndings),
    /* ready           */ static_cast<uint16_t>(Set(kWaiting, kLeased) | kEndings),
    /* leased          */
    static_cast<uint16_t>(Set(kWaiting, kReady, kRunning, kUpForRetry, kDeferred) | kEndings),
    /* running         */
    static_cast<uint16_t>(Set(kWaiting, kReady, kUpForRetry, kDeferred) | kEndings),
    /* success         */ 0,
    /* failed          */ 0,
    /* skipped         */ 0,
    /* upstream_failed */ 0,
    /* up_for_retry    */ static_cast<uint16_t>(Set(kWaiting, kReady) | kEndings),
    /* deferred        */ static_cast<uint16_t>(Set(kReady) | kEndings),
    /* cancelled       */ 0,
    /* removed         */ 0,
};

// A user may clear whatever has ended, and nothing else changes an ending.
constexpr bool UserMay(TaskState from, TaskState to) { return IsTerminal(from) && to == kWaiting; }

}  // namespace

bool TransitionAllowed(TaskState from, TaskState to, bool by_user) {
  if ((kByItself[static_cast<size_t>(from)] & Bit(to)) != 0) return true;
  return by_user && UserMay(from, to);
}

std::string_view ToString(TaskState state) {
  switch (state) {
    case kWaiting:
      return "waiting";
    case kReady:
      return "ready";
    case kLeased:
      return "leased";
    case kRunning:
      return "running";
    case kSuccess:
      return "success";
    case kFailed:
      return "failed";
    case kSkipped:
      return "skipped";
    case kUpstreamFailed:
      return "upstream_failed";
    case kUpForRetry:
      return "up_for_retry";
    case kDeferred:
      return "deferred";
    case kCancelled:
      return "cancelled";
    case kRemoved:
      return "removed";
  }
  return "unknown";
}

std::string_view ToString(RunState state) {
  switch (state) {
    case RunState::kQueued:
      return "queued";
    case RunState::kRunning:
      return "running";
    case RunState::kSuccess:
      return "success";
    case RunState::kFailed:
      return "failed";
    case RunState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view ToString(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "none";
    case Cause::kExitCode:
      return "exit code";
    case Cause::kSignal:
      return "signal";
    case Cause::kTimeout:
      return "timeout";
    case Cause::kOutOfMemory:
      return "out of memory";
    case Cause::kLeaseLost:
      return "lease lost";
    case Cause::kWorkerLost:
      return "worker lost";
    case Cause::kCancelled:
      return "cancelled";
    case Cause::kRunTimeout:
      return "run timeout";
    case Cause::kSpawnFailed:
      return "spawn failed";
    case Cause::kOutputInvalid:
      return "output invalid";
    case Cause::kExpression:
      return "expression error";
    case Cause::kHandedBack:
      return "handed back";
    case Cause::kSkipRequested:
      return "skip requested";
  }
  return "unknown";
}

}  // namespace penstock::core
