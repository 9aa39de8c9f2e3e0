#pragma once
// Structured logs: one line per event, a fixed text and key-value fields. Line breaks and other
// control characters in texts and values are escaped, so that nobody can forge a line.
//
//   obs::Info("flushed", {{"domain", domain}, {"rows", 512}, {"took", elapsed}});
//
// The message is a constant without values; keys are constants in snake_case; ids of runs and tasks
// go under "run" and "task". Secrets never go in. Everything here is thread-safe.
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/ids.h"

namespace penstock::obs {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

struct LogOptions {
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;  // lower ones are dropped
  std::string role;                  // of the process: "scheduler", "worker", ...; empty = left out
  std::string node;                  // its name; empty = left out
  // Receives each finished line, without a line break, one call at a time. Empty = standard error.
  std::function<void(std::string_view)> write;
};

// One key and value. Borrows texts: made in the call to Log and gone after it.
class LogField {
 public:
  using Value = std::variant<std::string_view, std::string, int64_t, uint64_t, double, bool>;

  template <typename T>
  LogField(std::string_view key, const T& value) : key_(key), value_(Convert(value)) {}
  template <typename Tag, typename Rep>
  LogField(std::string_view key, StrongId<Tag, Rep> id) : key_(key), value_(int64_t{id.value()}) {}

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  template <typename T>
  static Value Convert(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      return value;
    } else if constexpr (std::is_same_v<T, absl::Duration>) {
      return absl::ToDoubleSeconds(value);
    } else if constexpr (std::is_same_v<T, absl::Status>) {
      return value.ToString();
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<double>(value);
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      return static_cast<int64_t>(value);
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<uint64_t>(value);
    } else {
      return std::string_view(value);
    }
  }

  std::string_view key_;
  Value value_;
};

using LogFields = std::initializer_list<LogField>;

// Sets how this process logs from now on. Until then: text, info and above, to standard error.
void InitLog(const LogOptions& options);

// Whether lines of `level` are written at all; saves making costly fields.
bool LogEnabled(LogLevel level);
void Log(LogLevel level, std::string_view message, LogFields fields = {});

inline void Debug(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void Info(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void Warning(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void Error(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kError, message, fields);
}

// Writes out what is buffered, at shutdown.
void FlushLog();

}  // namespace penstock::obs
