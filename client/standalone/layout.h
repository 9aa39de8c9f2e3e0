#pragma once
// The files and directories of a standalone cluster.
#include <filesystem>
#include <string_view>

#include "absl/status/statusor.h"

namespace penstock::client {

// Absolute paths; names only, nothing is opened. Value type.
struct Layout {
  std::filesystem::path root;

  std::filesystem::path state() const { return root / "standalone.json"; }
  std::filesystem::path lock() const { return root / "standalone.lock"; }
  // What was started so far: state() as it will be, kept while the cluster starts and stops.
  std::filesystem::path processes() const { return root / "run/processes.json"; }
  std::filesystem::path dsn() const { return root / "run/dsn"; }
  std::filesystem::path postgres() const { return root / "postgres"; }
  std::filesystem::path task_logs() const { return root / "task-logs"; }
  std::filesystem::path work(std::string_view worker) const { return root / "work" / worker; }
  std::filesystem::path log(std::string_view name) const;
};

// Makes the directories that are missing, for this user alone. Root's data directory is made
// passable (not readable) for others, since PostgreSQL below it runs as another user.
absl::StatusOr<Layout> MakeLayout(const std::filesystem::path& data_dir);

// When the log has grown past 32 MiB: keeps its text as FILE.1 and empties it. Its writers append,
// so they need not be told; what they write in that moment may be lost.
void TrimLog(const std::filesystem::path& file);

}  // namespace penstock::client
