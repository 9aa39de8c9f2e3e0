#pragma once
// The files that travel with a version: refused unless every worker can unpack them safely.
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace penstock::api {

inline constexpr size_t kMaxBundleBytes = 16 << 20;  // contents of all files together
// Paths, modes and lengths. With a DAG file of 4 MiB it all fits into kMaxMessageBytes (api.h).
inline constexpr size_t kMaxBundleFraming = 3 << 20;
inline constexpr int kMaxBundleFiles = 10'000;

// The hash that names the bundle (SHA-256 of its bytes, hex); "" for no bytes. INVALID_ARGUMENT
// with every problem: too large, not a Bundle in its one form, paths that are unsafe, out of order,
// repeated, or a file and a directory at once.
absl::StatusOr<std::string> CheckBundle(std::string_view bytes);

}  // namespace penstock::api
