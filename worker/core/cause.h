#pragma once
// Why an attempt ended.
#include <cstdint>
#include <string_view>

namespace penstock::worker {

// The numbers are those of penstock.v1.Cause.
enum class Cause : uint8_t {
  kNone = 0,  // it succeeded
  kExitCode = 1,
  kSignal = 2,  // a signal that Penstock did not send
  kTimeout = 3,
  kOutOfMemory = 4,  // told by its memory cgroup, never guessed
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

// "exit_code", "lease_lost" and so on: for logs and metric labels.
std::string_view ToString(Cause cause);

}  // namespace penstock::worker
