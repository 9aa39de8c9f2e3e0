#include "common/pgserver/os_user.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "common/base/status.h"

namespace penstock::pgserver {
namespace {

// What getpwnam_r and getpwuid_r need: room for one entry's texts.
constexpr size_t kPasswdBytes = 16384;

std::optional<OsUser> ToUser(const passwd* entry) {
  if (entry == nullptr || entry->pw_uid == 0) return std::nullopt;
  return OsUser{entry->pw_uid, entry->pw_gid, entry->pw_name};
}

std::optional<OsUser> UserNamed(const char* name) {
  std::vector<char> texts(kPasswdBytes);
  passwd entry{};
  passwd* found = nullptr;
  getpwnam_r(name, &entry, texts.data(), texts.size(), &found);
  return ToUser(found);
}

std::optional<OsUser> OwnerOf(const std::filesystem::path& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || info.st_uid == 0) return std::nullopt;
  std::vector<char> texts(kPasswdBytes);
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(info.st_uid, &entry, texts.data(), texts.size(), &found);
  if (auto user = ToUser(found)) return user;
  return OsUser{info.st_uid, info.st_gid, std::to_string(info.st_uid)};
}

}  // namespace

absl::StatusOr<std::optional<OsUser>> ServerUser(const std::filesystem::path& data_dir) {
  if (geteuid() != 0) return std::optional<OsUser>();
  if (auto owner = OwnerOf(data_dir)) return owner;
  for (const char* name : {"postgres", "nobody"}) {
    if (auto user = UserNamed(name)) return user;
  }
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    "PostgreSQL does not run as root and there is no user postgres or nobody");
}

process::ProcessSpec ServerProgram(std::vector<std::string> argv,
                                   const std::optional<OsUser>& user) {
  process::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"};
  spec.inherit_env = false;
  spec.work_dir = "/";
  if (user) spec.user = process::UserIds{user->uid, user->gid};
  return spec;
}

bool BecomeUser(const OsUser& user) {
  return setgroups(1, &user.gid) == 0 && setresgid(user.gid, user.gid, user.gid) == 0 &&
         setresuid(user.uid, user.uid, user.uid) == 0;
}

bool CanEnter(const OsUser& user, const std::filesystem::path& dir) {
  const pid_t child = fork();
  if (child == 0) _exit(BecomeUser(user) && chdir(dir.c_str()) == 0 ? 0 : 1);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace penstock::pgserver
