#pragma once
// How an attempt ended, as the owner of its domain is told.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/ids.h"
#include "worker/core/attempt.h"
#include "worker/core/cause.h"

namespace penstock::worker {

enum class Outcome : uint8_t { kSuccess, kFailed, kSkipped, kFailedNoRetry };

// What is known of an attempt's end. Times are wall clock microseconds since 1970; 0 = never.
struct Report {
  Outcome outcome = Outcome::kFailed;
  Cause cause = Cause::kNone;
  int32_t exit_code = 0;  // with kExitCode, kSkipRequested
  int32_t signal = 0;     // with kSignal, kOutOfMemory, kTimeout
  int64_t peak_rss_kib = 0;
  int64_t cpu_ms = 0;
  int64_t started_at_us = 0;
  int64_t finished_at_us = 0;
  std::string output_json;  // one JSON object; "" = none
  std::string error;        // one sentence; "" on success
  size_t text_bytes() const { return output_json.size() + error.size(); }
};

struct Result {
  AttemptKey key;
  Report report;
};

}  // namespace penstock::worker
