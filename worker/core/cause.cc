#include "worker/core/cause.h"

namespace penstock::worker {

std::string_view ToString(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "none";
    case Cause::kExitCode:
      return "exit_code";
    case Cause::kSignal:
      return "signal";
    case Cause::kTimeout:
      return "timeout";
    case Cause::kOutOfMemory:
      return "out_of_memory";
    case Cause::kLeaseLost:
      return "lease_lost";
    case Cause::kWorkerLost:
      return "worker_lost";
    case Cause::kCancelled:
      return "cancelled";
    case Cause::kRunTimeout:
      return "run_timeout";
    case Cause::kSpawnFailed:
      return "spawn_failed";
    case Cause::kOutputInvalid:
      return "output_invalid";
    case Cause::kExpression:
      return "expression";
    case Cause::kHandedBack:
      return "handed_back";
    case Cause::kSkipRequested:
      return "skip_requested";
  }
  return "unknown";
}

}  // namespace penstock::worker
