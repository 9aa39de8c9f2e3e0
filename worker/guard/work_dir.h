#pragma once
// The working directory of an attempt: made, filled with the files of its DAG version, removed.
#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::worker::guard {

// Creates `path` (mode 0700, its parent must exist). False: errno tells why.
bool CreateWorkDir(const std::string& path);

// Writes the files of a sealed bundle (wire.h, BundleFile) below `path`, which must be fresh. Files
// are owned by the attempt, mode 0600 or 0700: it may change its copy, the bundle stays as it is.
// False: `failed` names the file, errno tells why; EBADMSG for a malformed bundle.
bool UnpackBundle(int bundle_fd, const std::string& path, std::string* failed);

// Opens the output file without following a link or waiting for a pipe. -1: errno tells why; EINVAL
// when it is not a regular file.
int OpenOutput(const std::string& path, const std::string& name);

}  // namespace penstock::worker::guard
