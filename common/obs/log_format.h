#pragma once
// How a log line looks. Pure; log.h is what the program calls.
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/obs/log.h"

namespace penstock::obs {

struct LogEntry {
  absl::Time at;
  LogLevel level = LogLevel::kInfo;
  std::string_view role;  // empty = left out, like node
  std::string_view node;
  std::string_view message;
  LogFields fields;
};

// `2024-01-01T00:00:00.000000Z INFO  scheduler/a flushed domain=3 note="two words"`. Values with
// blanks, quotes or control characters are quoted and escaped.
std::string FormatText(const LogEntry& entry);

// One JSON object: time, level, role, node, message, then the fields. Bytes that are not UTF-8
// become U+FFFD; numbers that JSON lacks (NaN, infinity) become null.
std::string FormatJson(const LogEntry& entry);

}  // namespace penstock::obs
