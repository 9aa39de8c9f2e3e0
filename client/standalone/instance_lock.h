#pragma once
// One supervisor per data directory.
#include <filesystem>
#include <optional>

#include "absl/status/statusor.h"
#include "common/process/pid_identity.h"
#include "common/process/unique_fd.h"

namespace penstock::client {

// Held while this object, or its copy in a forked child, lives; freed by the kernel when the last
// of them is gone, however that happened.
class InstanceLock {
 public:
  // ALREADY_EXISTS naming the process that holds it.
  static absl::StatusOr<InstanceLock> Take(const std::filesystem::path& file);
  // Writes this process into the file, as the one to be asked to stop.
  void NameHolder() const;
  int fd() const { return fd_.get(); }

 private:
  explicit InstanceLock(process::UniqueFd fd) : fd_(std::move(fd)) {}
  process::UniqueFd fd_;
};

// Whether somebody holds the lock, and who (none in the instant before they wrote their name, and
// while the last of their threads ends).
struct LockHolder {
  bool held = false;
  std::optional<process::PidIdentity> process;
};
LockHolder FindHolder(const std::filesystem::path& file);

}  // namespace penstock::client
