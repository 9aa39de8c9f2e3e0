#include "client/standalone/instance_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "common/base/status.h"

namespace penstock::client {
namespace {

std::optional<process::PidIdentity> NamedIn(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  const auto id = process::ParsePidIdentity(line);
  return id && process::IsAlive(*id) ? id : std::nullopt;
}

absl::Status Refused(const std::filesystem::path& file) {
  const auto holder = NamedIn(file);
  return MakeStatus(
      absl::StatusCode::kAlreadyExists,
      fmt::format("a standalone cluster already runs in {}{}", file.parent_path().string(),
                  holder ? fmt::format(" (process {})", holder->pid) : ""));
}

}  // namespace

absl::StatusOr<InstanceLock> InstanceLock::Take(const std::filesystem::path& file) {
  process::UniqueFd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      fmt::format("cannot use {}: {}", file.string(), std::strerror(errno)));
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return Refused(file);
  return InstanceLock(std::move(fd));
}

void InstanceLock::NameHolder() const {
  const auto self = process::Identify(getpid());
  if (!self || ftruncate(fd_.get(), 0) != 0) return;
  const std::string line = process::ToString(*self) + "\n";
  [[maybe_unused]] const ssize_t written = pwrite(fd_.get(), line.data(), line.size(), 0);
}

LockHolder FindHolder(const std::filesystem::path& file) {
  const process::UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return {};
  return {true, NamedIn(file)};
}

}  // namespace penstock::client
