#pragma once
// Asks a process on this machine whether it is ready.
#include <string_view>

#include "absl/time/time.h"

namespace penstock::client {

// Whether GET `path` on 127.0.0.1:`port` is answered with status 200 within `timeout`.
bool HttpOk(int port, std::string_view path, absl::Duration timeout);

}  // namespace penstock::client
