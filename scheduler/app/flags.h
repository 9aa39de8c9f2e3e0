#pragma once
// The one table of flags, from which reading, help and documentation come.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "scheduler/app/config.h"

namespace penstock::app {

struct Flag {
  const char* name;      // without dashes
  const char* value;     // what stands for the value in help; "" = a switch
  const char* fallback;  // the default, for people
  const char* help;      // one sentence, without a full stop
  // Sets the value. Returns what was expected instead if the text is malformed.
  std::optional<std::string> (*set)(std::string_view text, Config* config);
};

std::span<const Flag> Flags();
const Flag* FindFlag(std::string_view name);  // null = none

// "PENSTOCK_SCHEDULER_LOG_DIR" for "log-dir".
std::string VariableOf(const Flag& flag);

}  // namespace penstock::app
