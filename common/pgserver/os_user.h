#pragma once
// Under which operating-system user the server runs. PostgreSQL refuses root, so root hands it to
// another user; everybody else runs it as themselves.
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/process/spawn.h"

namespace penstock::pgserver {

struct OsUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
};

// The user to switch to, or none when this process is not root. `data_dir` names an existing
// cluster, whose owner is kept (unless it is root); otherwise `postgres`, else `nobody`.
// FAILED_PRECONDITION when neither exists.
absl::StatusOr<std::optional<OsUser>> ServerUser(const std::filesystem::path& data_dir);

// Whether `user` can enter `dir`. Asked of the kernel in a child that has become that user.
bool CanEnter(const OsUser& user, const std::filesystem::path& dir);

// A program of the server's, to be run as `user` (none: as this process) in the directory "/" with
// PATH, LC_ALL=C and TZ=UTC as its whole environment. argv[0] is an absolute path.
process::ProcessSpec ServerProgram(std::vector<std::string> argv,
                                   const std::optional<OsUser>& user);

// Becomes `user` for good; for a freshly forked child only. Async-signal-safe. False on failure.
bool BecomeUser(const OsUser& user);

}  // namespace penstock::pgserver
