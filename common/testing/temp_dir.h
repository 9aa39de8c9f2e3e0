#pragma once
// A directory of a test's own.
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "common/base/check.h"

namespace penstock::testing {

// A fresh directory, removed afterwards with all that is in it. Others may pass through it, because
// PostgreSQL runs as another user when the test is root. Ends the process where none can be made.
class TempDir {
 public:
  // `name` becomes a part of the directory's; `parent` exists.
  explicit TempDir(std::string_view name,
                   const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string path = (parent / "penstock-").string();
    path.append(name).append("-XXXXXX");
    PENSTOCK_CHECK(mkdtemp(path.data()) != nullptr,
                   "the directory for temporary files is writable");
    path_ = path;
    std::filesystem::permissions(path_, std::filesystem::perms(0711));
  }
  ~TempDir() {
    std::error_code ignored;
    if (!kept_) std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Leaves it where it is, for a look.
  void Keep() { kept_ = true; }

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

}  // namespace penstock::testing
