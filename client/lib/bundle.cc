#include "client/lib/bundle.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "absl/container/btree_map.h"
#include "client/lib/errors.h"
#include "client/lib/glob.h"
#include "client/lib/utf8.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

namespace fs = std::filesystem;

struct FoundFile {
  int64_t bytes = 0;
  bool executable = false;
};
using Found = absl::btree_map<std::string, FoundFile>;  // by path relative to the folder

std::string Megabytes(int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / (1 << 20));
}

std::string Join(const std::string& base, const std::string& name) {
  return base.empty() ? name : base + "/" + name;
}

// Walks the folder along one pattern at a time and collects the regular files that match.
class Finder {
 public:
  Finder(fs::path folder, const BundleLimits& limits)
      : folder_(std::move(folder)), limits_(limits) {}

  absl::Status Add(const Glob& glob) {
    matches_ = 0;
    PENSTOCK_RETURN_IF_ERROR(Descend(glob, 0, ""));
    if (matches_ > 0) return absl::OkStatus();
    return UsageError(
        fmt::format("files: \"{}\" matches nothing in {}", glob.text(), folder_.string()));
  }

  const Found& found() const { return found_; }

 private:
  // Everything below directory `base` that matches the components from `at` on.
  absl::Status Descend(const Glob& glob, size_t at, const std::string& base) {
    const std::string& component = glob.components()[at];
    if (IsAnyDepth(component)) return AnyDepth(glob, at, base);
    if (!HasWildcard(component)) return Literal(glob, at, Join(base, Unescape(component)));
    PENSTOCK_ASSIGN_OR_RETURN(const auto names, List(base));
    for (const std::string& name : names) {
      if (!MatchComponent(component, name)) continue;
      PENSTOCK_RETURN_IF_ERROR(Visit(glob, at, Join(base, name)));
    }
    return absl::OkStatus();
  }

  // "**": no directory at all, and each directory below with the same pattern.
  absl::Status AnyDepth(const Glob& glob, size_t at, const std::string& base) {
    if (at + 1 == glob.components().size()) return TakeAll(base);
    PENSTOCK_RETURN_IF_ERROR(Descend(glob, at + 1, base));
    PENSTOCK_ASSIGN_OR_RETURN(const auto names, List(base));
    for (const std::string& name : names) {
      const std::string path = Join(base, name);
      if (name.front() == '.' || !IsRealDirectory(path)) continue;
      PENSTOCK_RETURN_IF_ERROR(AnyDepth(glob, at, path));
    }
    return absl::OkStatus();
  }

  absl::Status Literal(const Glob& glob, size_t at, const std::string& path) {
    std::error_code error;
    const auto status = fs::symlink_status(folder_ / path, error);
    if (!fs::exists(status)) return absl::OkStatus();
    const bool last = at + 1 == glob.components().size();
    if (fs::is_symlink(status) && fs::is_directory(folder_ / path, error)) {
      return UsageError(
          fmt::format("files: {} is a link to a directory; such links are not followed", path));
    }
    if (!last && !fs::is_directory(status)) return absl::OkStatus();
    return Visit(glob, at, path);
  }

  // `path` matches the components up to `at`.
  absl::Status Visit(const Glob& glob, size_t at, const std::string& path) {
    const bool last = at + 1 == glob.components().size();
    if (IsRealDirectory(path)) return last ? TakeAll(path) : Descend(glob, at + 1, path);
    return last ? Take(path) : absl::OkStatus();
  }

  absl::Status TakeAll(const std::string& base) {
    PENSTOCK_ASSIGN_OR_RETURN(const auto names, List(base));
    for (const std::string& name : names) {
      if (name.front() == '.') continue;
      const std::string path = Join(base, name);
      PENSTOCK_RETURN_IF_ERROR(IsRealDirectory(path) ? TakeAll(path) : Take(path));
    }
    return absl::OkStatus();
  }

  absl::Status Take(const std::string& path) {
    std::error_code error;
    if (fs::is_symlink(folder_ / path, error)) {
      const fs::path target = fs::canonical(folder_ / path, error);
      if (error) return UsageError(fmt::format("files: {} is a link that leads nowhere", path));
      if (!IsInside(target)) {
        return UsageError(
            fmt::format("files: {} is a link that leads out of {}", path, folder_.string()));
      }
      if (fs::is_directory(target, error)) return absl::OkStatus();
    }
    return TakeFile(path);
  }

  absl::Status TakeFile(const std::string& path) {
    struct stat info {};
    if (::stat((folder_ / path).c_str(), &info) != 0) {
      return UsageError(fmt::format("files: {}: {}", path, std::strerror(errno)));
    }
    if (!S_ISREG(info.st_mode)) {
      return UsageError(fmt::format("files: {} is not a regular file", path));
    }
    if (!IsUtf8(path)) return UsageError("files: a file name is not valid UTF-8");
    ++matches_;
    found_[path] = {info.st_size, (info.st_mode & S_IXUSR) != 0};
    if (found_.size() <= limits_.max_files) return absl::OkStatus();
    return UsageError(fmt::format("files: more than {} files match", limits_.max_files));
  }

  bool IsInside(const fs::path& target) const {
    const auto ends = std::mismatch(folder_.begin(), folder_.end(), target.begin(), target.end());
    return ends.first == folder_.end();
  }

  bool IsRealDirectory(const std::string& path) const {
    std::error_code error;
    return fs::is_directory(fs::symlink_status(folder_ / path, error));
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& base) {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator it(folder_ / base, error), end; !error && it != end;
         it.increment(error)) {
      names.push_back(it->path().filename().string());
      if (++entries_ > limits_.max_entries) {
        return UsageError(fmt::format("files: more than {} directory entries below {}",
                                      limits_.max_entries, folder_.string()));
      }
    }
    if (error) {
      return UsageError(
          fmt::format("files: cannot list {}: {}", (folder_ / base).string(), error.message()));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const fs::path folder_;
  const BundleLimits limits_;
  Found found_;
  size_t matches_ = 0;  // of the current pattern
  size_t entries_ = 0;
};

absl::Status CheckSize(const Found& found, const BundleLimits& limits) {
  int64_t total = 0;
  const std::pair<const std::string, FoundFile>* largest = nullptr;
  for (const auto& entry : found) {
    total += entry.second.bytes;
    if (largest == nullptr || entry.second.bytes > largest->second.bytes) largest = &entry;
  }
  if (total <= limits.max_bytes) return absl::OkStatus();
  return UsageError(fmt::format("files: {} in {} files, the limit is {} (largest: {}, {})",
                                Megabytes(total), found.size(), Megabytes(limits.max_bytes),
                                largest->first, Megabytes(largest->second.bytes)));
}

// Exactly `bytes` bytes, or an error: a file that grows or shrinks is not packed half.
absl::StatusOr<std::string> ReadExactly(const fs::path& path, int64_t bytes) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return UsageError(
        fmt::format("files: cannot read {}: {}", path.string(), std::strerror(errno)));
  }
  std::string content(static_cast<size_t>(bytes), '\0');
  in.read(content.data(), bytes);
  if (in.gcount() != bytes || in.peek() != std::ifstream::traits_type::eof()) {
    return UsageError(fmt::format("files: {} changed while it was read", path.string()));
  }
  return content;
}

}  // namespace

absl::StatusOr<v1::Bundle> PackBundle(const std::string& folder,
                                      const std::vector<std::string>& patterns,
                                      const BundleLimits& limits) {
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) return UsageError(fmt::format("{}: {}", folder, error.message()));
  Finder finder(root, limits);
  for (const std::string& pattern : patterns) {
    PENSTOCK_ASSIGN_OR_RETURN(const Glob glob, Glob::Parse(pattern));
    PENSTOCK_RETURN_IF_ERROR(finder.Add(glob));
  }
  PENSTOCK_RETURN_IF_ERROR(CheckSize(finder.found(), limits));
  v1::Bundle bundle;
  for (const auto& [path, file] : finder.found()) {
    PENSTOCK_ASSIGN_OR_RETURN(std::string content, ReadExactly(root / path, file.bytes));
    auto* packed = bundle.add_files();
    packed->set_path(path);
    packed->set_executable(file.executable);
    packed->set_content(std::move(content));
  }
  return bundle;
}

}  // namespace penstock::client
