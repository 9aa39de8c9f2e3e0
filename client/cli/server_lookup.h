#pragma once
// What completion asks a scheduler: within a second, and silently nothing if that fails.
#include "client/cli/complete.h"
#include "client/cli/session.h"

namespace penstock::client {

// `env` must outlive the result.
Lookup ServerLookup(const Environment& env);

}  // namespace penstock::client
