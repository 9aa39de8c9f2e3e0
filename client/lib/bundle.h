#pragma once
// Packs the files that travel with a DAG version.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "penstock/v1/worker.pb.h"

namespace penstock::client {

struct BundleLimits {
  int64_t max_bytes = 16 << 20;  // contents of all files together
  size_t max_files = 10'000;
  size_t max_entries = 200'000;  // directory entries looked at
};

// The files below `folder` that match any of `patterns` (see Glob), sorted by path: the same files
// give the same message, so the same hash. A pattern that names a directory takes all of it.
// A link to a regular file inside `folder` is packed as that file; links to directories are not
// followed. InvalidArgument, saying which file and why: a pattern that is malformed or matches
// nothing; a link that leads out of `folder` or nowhere; a device, socket or pipe; a name that is
// not UTF-8; a file that cannot be read or changes meanwhile; too many or too large files (judged
// by their sizes, before anything is read).
absl::StatusOr<v1::Bundle> PackBundle(const std::string& folder,
                                      const std::vector<std::string>& patterns,
                                      const BundleLimits& limits = {});

}  // namespace penstock::client
