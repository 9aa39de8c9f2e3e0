#include "client/standalone/layout.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(const fs::path& path, std::string_view why) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    fmt::format("cannot use {}: {}", path.string(), why));
}

absl::Status MakeDir(const fs::path& dir, mode_t mode) {
  if (mkdir(dir.c_str(), mode) == 0 || errno == EEXIST) return absl::OkStatus();
  return Failed(dir, std::strerror(errno));
}

absl::Status MakeRoot(const fs::path& root) {
  const bool is_root = geteuid() == 0;
  std::error_code error;
  fs::create_directories(root.parent_path(), error);
  PENSTOCK_RETURN_IF_ERROR(MakeDir(root, is_root ? 0711 : 0700));
  struct stat info {};
  if (stat(root.c_str(), &info) != 0) return Failed(root, std::strerror(errno));
  if (!S_ISDIR(info.st_mode)) return Failed(root, "not a directory");
  if (access(root.c_str(), W_OK | X_OK) != 0) return Failed(root, std::strerror(errno));
  const mode_t passable = info.st_mode | S_IXGRP | S_IXOTH;
  if (is_root && info.st_uid == 0 && info.st_mode != passable)
    chmod(root.c_str(), passable & 07777);
  return absl::OkStatus();
}

}  // namespace

fs::path Layout::log(std::string_view name) const {
  return root / "logs" / fmt::format("{}.log", name);
}

absl::StatusOr<Layout> MakeLayout(const fs::path& data_dir) {
  if (data_dir.empty()) return Failed(data_dir, "no data directory given");
  std::error_code error;
  fs::path absolute = fs::absolute(data_dir, error).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // a trailing slash
  PENSTOCK_RETURN_IF_ERROR(MakeRoot(absolute));
  Layout layout{fs::canonical(absolute, error)};
  if (error) return Failed(absolute, error.message());
  for (const char* name : {"run", "logs", "task-logs", "work"}) {
    PENSTOCK_RETURN_IF_ERROR(MakeDir(layout.root / name, 0700));
  }
  return layout;
}

void TrimLog(const fs::path& file) {
  constexpr uintmax_t kMaxLogBytes = uintmax_t{32} << 20;
  std::error_code error;
  if (fs::file_size(file, error) <= kMaxLogBytes || error) return;
  fs::copy_file(file, file.string() + ".1", fs::copy_options::overwrite_existing, error);
  fs::resize_file(file, 0, error);
}

}  // namespace penstock::client
