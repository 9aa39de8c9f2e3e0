#pragma once
// Where a cluster's files lie. Normally everything is below the directory that was asked for:
//   data/  the cluster    socket/  its Unix socket    server.log
// Two things can force another place: a socket path longer than the kernel allows, and (as root)
// a directory that the server's user cannot enter, such as one below /root. In the second case
// the cluster is made below `relocation_root`; the file "relocated" in the first directory names
// the place, and the file "origin" there names the first directory.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/pgserver/os_user.h"

namespace penstock::pgserver {

struct Placement {
  std::optional<OsUser> user;        // whom the server runs as; none: as this process
  std::filesystem::path root;        // holds data_dir and log_file
  std::filesystem::path data_dir;    // what `postgres -D` gets; need not exist yet
  std::filesystem::path socket_dir;  // mode 0700, of the server's user
  std::filesystem::path log_file;
  bool relocated = false;  // root is not the directory that was asked for
};

// Makes the directories and hands them to the server's user. PERMISSION_DENIED or
// FAILED_PRECONDITION with one line when that is not possible.
absl::StatusOr<Placement> Place(const std::filesystem::path& dir,
                                const std::filesystem::path& relocation_root);

// Whether a socket below `socket_dir` has a path that the kernel takes and that needs no quoting
// in a connection string (libpq splits host names at commas).
bool SocketDirUsable(const std::filesystem::path& socket_dir);

// A short directory for the socket of the cluster at `root`: the same one for the same root.
std::filesystem::path ShortSocketDir(const std::filesystem::path& root);

}  // namespace penstock::pgserver
