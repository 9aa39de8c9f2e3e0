#pragma once
// The statuses of this folder's I/O errors.
#include <string_view>

#include "absl/status/status.h"

namespace penstock::logstore {

// RESOURCE_EXHAUSTED when `error` (an errno) says that the disk or quota is full, else UNAVAILABLE.
absl::Status IoError(std::string_view what, int error);

}  // namespace penstock::logstore
