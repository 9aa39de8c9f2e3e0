#pragma once
// The main process' side of the guardian: starting it, and asking it for runners.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/ids.h"
#include "common/process/unique_fd.h"

namespace penstock::worker::guard {

// Owns one guardian. Not thread-safe. Destroying it closes the socket: the guardian kills every
// attempt, cleans up and ends (without last words if Quit() was called); that is waited for, up to
// five seconds.
class GuardianClient {
 public:
  struct Options {
    // Directory for the work directories of all workers on this machine; created when missing.
    std::filesystem::path root;
    // The guardian's program; empty = penstock-guardian beside the running program.
    std::string program;
    bool use_cgroups = true;  // where a writable memory cgroup is found
  };

  // Starts the guardian and waits until it is ready (leftovers of dead workers are dead then).
  // Makes the calling process a child subreaper: should the guardian be killed, its processes come
  // back here and are ended; the process must have no children that it wants to keep then.
  static absl::StatusOr<std::unique_ptr<GuardianClient>> Start(const Options& options);
  ~GuardianClient();
  GuardianClient(const GuardianClient&) = delete;
  GuardianClient& operator=(const GuardianClient&) = delete;

  // Readable when Receive() has something to tell.
  int fd() const { return socket_.get(); }
  // Runners that died unasked since the last call, named by the number given to NewRunner; their
  // attempts are dead with all they started. UNAVAILABLE: the guardian itself is dead.
  absl::StatusOr<std::vector<uint32_t>> Receive();

  // A socket to a new runner (packet.h). A failure to start it shows as the socket's end. Waits for
  // a guardian that is behind, for some seconds at most.
  absl::StatusOr<process::UniqueFd> NewRunner(uint32_t id);

  // What the guardian executes after the main process died unasked and every attempt is dead;
  // replaces what was set before. argv[0] is a path.
  absl::Status SetLastWords(const std::vector<std::string>& argv);
  // The main process is about to end on purpose.
  void Quit();
  // After the guardian died: kills everything below this process, which inherited it, and waits
  // for its end.
  void EndEverything();

  // Sessions of earlier workers on this machine that nobody may have spoken for; nothing of them
  // runs any more. As of Start().
  const std::vector<SessionId>& dead_sessions() const { return dead_sessions_; }
  // Leaves these, and those above, for the next worker on this machine. Replaces what was left.
  void LeaveSessions(std::vector<SessionId> sessions) const;

  // Where attempts of this life get their directories.
  const std::filesystem::path& life_dir() const { return life_dir_; }
  // The value of kLifeVariable for this life's attempts.
  const std::string& life() const { return life_; }
  // Whether memory limits are enforced and out-of-memory kills are seen.
  bool has_memory_cgroups() const { return has_memory_cgroups_; }
  pid_t pid() const { return pid_; }

 private:
  GuardianClient() = default;
  absl::Status WaitUntilReady();

  process::UniqueFd socket_;
  pid_t pid_ = 0;
  std::string life_;
  std::filesystem::path life_dir_;
  std::vector<SessionId> dead_sessions_;
  bool has_memory_cgroups_ = false;
};

}  // namespace penstock::worker::guard
