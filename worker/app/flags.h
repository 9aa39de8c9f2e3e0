#pragma once
// The one table of flags, from which reading, help and documentation come.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "worker/app/config.h"

namespace penstock::worker {

struct Flag {
  const char* name;      // without dashes
  const char* value;     // what stands for the value in help; "" = a switch
  const char* fallback;  // the default, for people
  const char* help;      // one sentence, without a full stop
  // Sets the value. Returns what was expected instead if it is malformed.
  std::optional<std::string> (*set)(std::string_view text, Config* config);
};

std::span<const Flag> Flags();

// "PENSTOCK_WORKER_MAX_PREFETCH" for "max-prefetch".
std::string VariableOf(const Flag& flag);

}  // namespace penstock::worker
