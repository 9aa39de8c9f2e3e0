#pragma once
// Starts the server's programs under another user, with a clean environment and nothing inherited.
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pgserver/os_user.h"

namespace penstock::pgserver {

// What is run. The child gets PATH, LC_ALL=C and TZ=UTC only, a session of its own, the working
// directory "/", no descriptor but 0-2, default signal dispositions and nothing blocked.
struct Command {
  std::vector<std::string> argv;  // argv[0] is an absolute path
  std::optional<OsUser> user;     // none: as this process
};

struct CommandResult {
  int exit_code = 0;   // 128 + signal when it was killed
  std::string output;  // stdout and stderr together, the first 64 KiB
};

// Runs to the end. DEADLINE_EXCEEDED (and the child killed) after `timeout`.
absl::StatusOr<CommandResult> RunCommand(const Command& command, absl::Duration timeout);

// Starts a program whose output is appended to `log_file`, and returns its pid; the
// caller reaps it. `parent_death_signal` is sent to it when the calling thread ends; 0 = none.
absl::StatusOr<pid_t> SpawnServer(const Command& command, const std::filesystem::path& log_file,
                                  int parent_death_signal);

}  // namespace penstock::pgserver
