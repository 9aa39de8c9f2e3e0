#pragma once
// Starting programs and ending them: what clusters on one machine and tests need. Linux.
//
// Attempts of tasks do not go this way; worker/guard starts those.
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/process/pid_identity.h"

namespace penstock::process {

// A user to run as; groups beyond the primary one are dropped. Needs root.
struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
};

// A program to start. Values only.
struct ProcessSpec {
  // argv[0] without '/' is looked up in PATH.
  std::vector<std::string> argv;
  // "KEY=value"; a later entry wins over an earlier one and over an inherited one.
  std::vector<std::string> env;
  bool inherit_env = true;
  std::string work_dir;  // empty = the caller's
  // Standard output and error are appended to this file (made with mode 0600). Empty = /dev/null.
  std::string log_file;
  std::optional<UserIds> user;
  // Sent to the child when the calling thread ends; 0 = none.
  int death_signal = 0;
};

// Starts a program in a session of its own and returns at once. Standard input is /dev/null and no
// other descriptor is handed on. The caller stays its parent; Terminate() reaps it, or init does
// when the caller ends first. Errors name the step and the program.
absl::StatusOr<PidIdentity> SpawnDaemon(const ProcessSpec& spec);

// How a program ended.
struct CommandResult {
  int exit_code = -1;  // -1: ended by `signal`
  int signal = 0;
  bool timed_out = false;  // killed here, with its process group
  std::string output;      // standard output and error together; only the first 1 MiB
  bool ok() const { return exit_code == 0; }
};

// Runs a program to its end and collects its output (log_file must be empty). Waits at most
// `timeout` before it kills the program's process group.
absl::StatusOr<CommandResult> RunCommand(const ProcessSpec& spec, absl::Duration timeout);

// Asks a process to end (SIGTERM), waits up to `grace`, then kills it and waits for its end. OK
// also when it was gone already. Reaps it if it is a child of the caller. Errors: no permission;
// DEADLINE_EXCEEDED when not even SIGKILL ends it (it hangs in the kernel).
absl::Status Terminate(const PidIdentity& id, absl::Duration grace);

// Whether the process ended within `timeout`. Reaps nothing.
bool WaitForEnd(const PidIdentity& id, absl::Duration timeout);

// The ids of a named user; NOT_FOUND when there is none.
absl::StatusOr<UserIds> FindUser(const std::string& name);

}  // namespace penstock::process
