#pragma once
// Names of inputs, as written down before they are applied in careful mode: whatever was about to
// be applied when a process ended is known to the next owner, who does without it.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/core/events.h"

namespace penstock::core {

// "run 7", "session 5", "inbox row 3", "command create-runs 1f2e...". Equal inputs have equal names
// in all processes. "" = needs no name: it carries nothing of a run or a user.
std::string NameOf(const Event& event);
// The run that is named; nullopt when it is something else.
std::optional<RunId> RunNamed(std::string_view name);

// What is durable of it. A process may end for a reason of its own: only what two of them ended at
// is set aside.
struct Suspicion {
  std::string present;              // what is about to be applied; "" = nothing
  std::vector<std::string> former;  // each was that when one process ended; few
  friend bool operator==(const Suspicion&, const Suspicion&) = default;
};
std::string ToText(const Suspicion& suspicion);  // "" when there is none
Suspicion ParseSuspicion(std::string_view text);

}  // namespace penstock::core
