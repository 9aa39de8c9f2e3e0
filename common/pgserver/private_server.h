#pragma once
// A PostgreSQL cluster of our own, for one machine: made on first use, reachable through a Unix
// socket in a directory that only its user (and root) may enter, and through nothing else. That
// directory is the whole access control: whoever gets in is the superuser `penstock`.
#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pgserver/binaries.h"
#include "common/pgserver/config.h"
#include "common/pgserver/placement.h"
#include "common/process/pid_identity.h"

namespace penstock::pgserver {

struct PrivateServerOptions {
  std::filesystem::path dir;      // the cluster's home (placement.h); made when missing
  std::filesystem::path bin_dir;  // PostgreSQL's programs; empty = search (binaries.h)
  int max_connections = 100;
  int shared_buffers_mb = 128;
  bool durable = true;  // false for tests only (config.h)
  // Ask the server to stop (fast) when the thread that called Start() ends.
  bool stop_with_parent = false;
  // Where the cluster goes when the server's user cannot enter `dir` (root only).
  std::filesystem::path relocation_root = "/var/lib/penstock";
  absl::Duration start_timeout = absl::Minutes(2);  // crash recovery included
};

// kFast rolls back what runs and writes a checkpoint; kImmediate is like a power cut: the next
// start recovers.
enum class StopMode { kFast, kImmediate };

enum class ServerState {
  kRunning,
  kStopped,  // ended in an orderly way: somebody asked it to
  kCrashed,  // ended and left its lock file behind
};

// Not thread-safe. The destructor leaves the server as it is.
class PrivateServer {
 public:
  // Makes the cluster if there is none, starts it, and returns once it takes connections; adopts
  // the server when it already runs. Recovers by itself from a killed predecessor. Every error is
  // one line for the user.
  static absl::StatusOr<std::unique_ptr<PrivateServer>> Start(const PrivateServerOptions& options);

  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  // Takes over the server that somebody else started meanwhile, if there is one that gets ready.
  bool Adopt();
  // Starts the server again after it ended, or adopts it.
  absl::Status Restart();
  // Returns when the server is gone; OK when it was already. After `timeout` a fast stop becomes
  // an immediate one, and that one a kill, each with `timeout` of its own.
  absl::Status Stop(StopMode mode, absl::Duration timeout);
  ServerState Poll();

  // Makes the database if there is none. `name` is a plain identifier: [a-z0-9_]+.
  absl::Status EnsureDatabase(std::string_view name);
  // A libpq connection string. It holds no secret.
  std::string Dsn(std::string_view dbname) const;

  pid_t pid() const { return process_.pid; }  // the postmaster
  bool adopted() const { return !child_; }    // it was running before
  int major_version() const { return binaries_.major; }
  const std::string& socket_dir() const { return socket_dir_; }
  const Placement& placement() const { return placement_; }
  const std::filesystem::path& bin_dir() const { return binaries_.dir; }

 private:
  PrivateServer(const PrivateServerOptions& options, Placement placement, Binaries binaries);
  absl::Status InitCluster();
  absl::Status StartOrAdopt();
  absl::Status Launch();
  absl::Status WaitUntilReady();
  absl::Status ClearStaleLock();
  bool Alive();
  bool WaitUntilGone(absl::Duration timeout);
  std::string LastLogError() const;

  const PrivateServerOptions options_;
  const Placement placement_;
  const Binaries binaries_;
  std::string socket_dir_;
  process::PidIdentity process_;  // pid 0: none
  bool child_ = false;            // ours to reap
};

// Stops the server of the cluster at `dir` without a PrivateServer, if it runs at all.
absl::Status StopServerAt(const std::filesystem::path& dir, StopMode mode, absl::Duration timeout);

}  // namespace penstock::pgserver
