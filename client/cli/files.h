#pragma once
// Reading and writing small files with errors for people.
#include <cstdint>
#include <istream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace penstock::client {

// The whole of file `name`, or of `in` when the name is "-". An error, before more is read, when
// it is longer than `max_bytes`; also for a directory.
absl::StatusOr<std::string> ReadInput(const std::string& name, int64_t max_bytes, std::istream& in);

// Creates `path`. AlreadyExists when there is one and `overwrite` is false.
absl::Status WriteNewFile(const std::string& path, std::string_view content, bool overwrite);

}  // namespace penstock::client
