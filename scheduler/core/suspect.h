#pragma once
// Names of inputs, as written down before they are applied in careful mode: whatever was about to
// be applied when a process ended is known to the next owner, who does without it.
#include <optional>
#include <string>
#include <string_view>

#include "scheduler/core/events.h"

namespace penstock::core {

// "run 7", "session 5", "inbox row 3", "command create-runs 1f2e...". Equal inputs have equal names
// in all processes. "" = needs no name: it carries nothing of a run or a user.
std::string NameOf(const Event& event);
// The run that is named; nullopt when it is something else.
std::optional<RunId> RunNamed(std::string_view name);

}  // namespace penstock::core
