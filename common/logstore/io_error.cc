#include "common/logstore/io_error.h"

#include <fmt/core.h>

#include <cerrno>
#include <system_error>

#include "common/base/status.h"

namespace penstock::logstore {

absl::Status IoError(std::string_view what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return MakeStatus(full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnavailable,
                    fmt::format("log store: {}: {}", what, std::generic_category().message(error)));
}

}  // namespace penstock::logstore
