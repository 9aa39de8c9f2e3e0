#include "common/pgserver/placement.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::pgserver {
namespace {

namespace fs = std::filesystem;

// sun_path holds 108 bytes with the final NUL; the server adds "/.s.PGSQL.5432.lock".
constexpr size_t kMaxSocketDirBytes = 107 - sizeof("/.s.PGSQL.5432.lock") + 1;
constexpr const char* kPointerFile = "relocated";
constexpr const char* kOriginFile = "origin";

absl::Status Failed(const fs::path& path, std::string_view what) {
  const auto code =
      errno == EACCES ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kFailedPrecondition;
  return MakeStatus(code, fmt::format("{} {}: {}", what, path.string(), std::strerror(errno)));
}

std::string ReadLine(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

absl::Status WriteLine(const fs::path& file, const std::string& line) {
  std::ofstream out(file, std::ios::trunc);
  out << line << '\n';
  out.close();
  return out ? absl::OkStatus() : Failed(file, "cannot write");
}

absl::Status MakeDirs(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (!error) return absl::OkStatus();
  errno = error.value();
  return Failed(dir, "cannot make the directory");
}

// Makes `dir` private to the server's user. An existing one of somebody else is refused: in a
// shared place such as /tmp it could be a trap.
absl::Status MakePrivateDir(const fs::path& dir, const std::optional<OsUser>& user) {
  const uid_t owner = user ? user->uid : geteuid();
  const bool made = mkdir(dir.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return Failed(dir, "cannot make the directory");
  if (made && user && lchown(dir.c_str(), user->uid, user->gid) != 0) return Failed(dir, "chown");
  struct stat info {};
  if (lstat(dir.c_str(), &info) != 0) return Failed(dir, "cannot read the directory");
  if (!S_ISDIR(info.st_mode) || info.st_uid != owner) {
    return MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        fmt::format("{} belongs to another user (uid {})", dir.string(), info.st_uid));
  }
  return (info.st_mode & 0777) == 0700 || chmod(dir.c_str(), 0700) == 0 ? absl::OkStatus()
                                                                        : Failed(dir, "chmod");
}

// Gives a directory that was asked for to the server's user, whoever it belonged to.
absl::Status HandOver(const fs::path& dir, const std::optional<OsUser>& user) {
  if (user && chown(dir.c_str(), user->uid, user->gid) != 0) return Failed(dir, "chown");
  if (chmod(dir.c_str(), 0700) != 0) return Failed(dir, "this user does not own");
  return absl::OkStatus();
}

// The place a pointer file names, after checking that it is still this directory's.
absl::StatusOr<fs::path> FollowPointer(const fs::path& dir, const fs::path& target) {
  const fs::path origin = ReadLine(target / kOriginFile);
  if (origin == dir) return target;
  if (ReadLine(origin / kPointerFile) == target) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      fmt::format("{} names the cluster {}, which belongs to {}", dir.string(),
                                  target.string(), origin.string()));
  }
  if (!fs::exists(target)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      fmt::format("the cluster of {} is missing: {} does not exist", dir.string(),
                                  target.string()));
  }
  PENSTOCK_RETURN_IF_ERROR(WriteLine(target / kOriginFile, dir));  // dir was moved
  return target;
}

absl::StatusOr<fs::path> Relocate(const fs::path& dir, const fs::path& relocation_root,
                                  const OsUser& user) {
  const bool made = !fs::exists(relocation_root);
  PENSTOCK_RETURN_IF_ERROR(MakeDirs(relocation_root));
  // The server's user must get through, whatever this process' umask says.
  if (made && chmod(relocation_root.c_str(), 0755) != 0) return Failed(relocation_root, "chmod");
  const fs::path target = relocation_root / fmt::format("{:016x}", RandomId());
  if (!CanEnter(user, relocation_root)) {
    return MakeStatus(
        absl::StatusCode::kPermissionDenied,
        fmt::format("PostgreSQL runs as user {}, who can enter neither {} nor {}: choose a data "
                    "directory that others may enter",
                    user.name, dir.string(), relocation_root.string()));
  }
  PENSTOCK_RETURN_IF_ERROR(MakePrivateDir(target, user));
  PENSTOCK_RETURN_IF_ERROR(WriteLine(target / kOriginFile, dir));
  PENSTOCK_RETURN_IF_ERROR(WriteLine(dir / kPointerFile, target));
  return target;
}

// The directory that will hold the cluster.
absl::StatusOr<fs::path> ChooseRoot(const fs::path& dir, const std::string& pointer,
                                    const fs::path& relocation_root,
                                    const std::optional<OsUser>& user) {
  if (!pointer.empty()) return FollowPointer(dir, pointer);
  if (!user || CanEnter(*user, dir.parent_path())) return dir;
  return Relocate(dir, relocation_root, *user);
}

absl::StatusOr<fs::path> ChooseSocketDir(const fs::path& root, const std::optional<OsUser>& user) {
  const fs::path beside = root / "socket";
  const fs::path chosen = SocketDirUsable(beside) ? beside : ShortSocketDir(root);
  PENSTOCK_RETURN_IF_ERROR(MakePrivateDir(chosen, user));
  return chosen;
}

}  // namespace

bool SocketDirUsable(const fs::path& socket_dir) {
  const std::string text = socket_dir.string();
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/._-+").find(c) != std::string_view::npos;
  };
  return text.size() <= kMaxSocketDirBytes && std::all_of(text.begin(), text.end(), plain);
}

fs::path ShortSocketDir(const fs::path& root) {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a: the name must not change between builds
  for (const char c : root.string()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return fmt::format("/tmp/penstock-{}-{:016x}", geteuid(), hash);
}

absl::StatusOr<Placement> Place(const fs::path& dir, const fs::path& relocation_root) {
  PENSTOCK_RETURN_IF_ERROR(MakeDirs(dir));
  std::error_code error;
  const fs::path asked = fs::canonical(dir, error);
  if (error) return Failed(dir, "cannot resolve");
  const std::string pointer = ReadLine(asked / kPointerFile);
  Placement placement;
  PENSTOCK_ASSIGN_OR_RETURN(placement.user,
                            ServerUser((pointer.empty() ? asked : fs::path(pointer)) / "data"));
  PENSTOCK_ASSIGN_OR_RETURN(placement.root,
                            ChooseRoot(asked, pointer, relocation_root, placement.user));
  placement.relocated = placement.root != asked;
  PENSTOCK_RETURN_IF_ERROR(HandOver(placement.root, placement.user));
  placement.data_dir = placement.root / "data";
  placement.log_file = placement.root / "server.log";
  PENSTOCK_ASSIGN_OR_RETURN(placement.socket_dir, ChooseSocketDir(placement.root, placement.user));
  return placement;
}

}  // namespace penstock::pgserver
