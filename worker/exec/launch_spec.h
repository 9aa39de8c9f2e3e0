#pragma once
// What is needed to run one attempt, and what is told about it.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "worker/core/attempt.h"
#include "worker/core/cause.h"
#include "worker/core/result.h"
#include "worker/exec/sealed_bundle.h"

namespace penstock::worker::exec {

// One attempt; all expressions are evaluated already.
struct LaunchSpec {
  AttemptKey key;
  DomainId domain;
  SteadyTime lease_deadline;  // of the domain; everything of the attempt is dead by then
  // The program and its arguments. Empty: nothing is run, the attempt succeeds at once.
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;  // the task's own
  std::string namespace_name;
  std::string dag;
  std::string task;
  std::string run_key;
  std::string logical_date;  // RFC 3339; "" = none
  std::string params_json;   // "" = not told
  int32_t try_number = 1;
  absl::Duration timeout;                      // of the execution; 0 = none
  int64_t memory_bytes = 0;                    // 0 = not limited
  int32_t skip_exit_code = 0;                  // "skip me"; 0 = no such code
  std::shared_ptr<const SealedBundle> bundle;  // shared by attempts of a version; null = no files
};

enum class LogStream : uint8_t { kStdout, kStderr, kSystem };

// Output of an attempt, in the order of arrival over all its streams. Raw bytes: they may be
// anything.
struct LogPiece {
  LogStream stream = LogStream::kStdout;
  int64_t at_us = 0;       // wall clock
  std::string bytes;       // may be empty with a mark
  bool truncated = false;  // what the attempt writes after these bytes is dropped
  bool end = false;        // nothing follows
};

// Told what happens to attempts, on the engine's thread. Must be quick and must not call Stop().
class AttemptListener {
 public:
  virtual ~AttemptListener() = default;
  // At most once, before any output. A short attempt's start is told by its report alone.
  virtual void OnStarted(const AttemptKey& key, int64_t started_at_us) = 0;
  // A last piece with `end` comes before OnFinished, if it ran at all.
  virtual void OnLog(const AttemptKey& key, LogPiece piece) = 0;
  // Exactly once for each launch, unless the engine is stopped before. The attempt and all it
  // started are dead.
  virtual void OnFinished(const AttemptKey& key, Report report) = 0;
};

}  // namespace penstock::worker::exec
