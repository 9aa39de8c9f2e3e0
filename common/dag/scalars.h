#pragma once
// The written forms of single values: YAML 1.2's core schema, ids, durations, sizes.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace penstock::dag {

// What a plain (unquoted) scalar is in YAML 1.2's core schema. `no`, `on` and `0777` with a
// leading zero follow that schema: strings, and the decimal integer 777.
enum class ScalarKind : uint8_t { kNull, kBool, kInt, kFloat, kString };
ScalarKind ClassifyPlain(std::string_view text);

// For texts of that kind only. An integer outside int64 has none.
bool ParseBool(std::string_view text);
std::optional<int64_t> ParseInt(std::string_view text);
double ParseFloat(std::string_view text);  // may be infinite or not a number

// Ids of DAGs and tasks, names of queues and pools: [A-Za-z_][A-Za-z0-9_.-]*, without "..".
// Lengths are the caller's to check.
bool IsId(std::string_view text);
// Names of parameters and variables: [A-Za-z_][A-Za-z0-9_]*.
bool IsName(std::string_view text);
// Keys of labels and custom resources: [A-Za-z0-9][A-Za-z0-9_./-]*, without "..".
bool IsLabelKey(std::string_view text);

// "10s", "1h30m", "2d", "250ms": units d h m s ms, each at most once, largest first. Also "0".
// nullopt when it is not one, or above 366 days.
std::optional<absl::Duration> ParseDuration(std::string_view text);

// "2Gi", "512Mi", "10k", "1048576": bytes. nullopt when it is not one or does not fit.
std::optional<int64_t> ParseSize(std::string_view text);
// "2", "0.5", "500m": thousandths of a core.
std::optional<int64_t> ParseCpu(std::string_view text);

// `text` as it may stand in a message: at most 60 characters, line ends and controls as "?".
std::string ShownText(std::string_view text);

// The first byte that must not be in a text file: NUL, other control characters but tab and line
// ends, byte sequences that are not UTF-8.
struct BadByte {
  size_t offset = 0;
  std::string what;
};
std::optional<BadByte> FindBadByte(std::string_view text);

}  // namespace penstock::dag
