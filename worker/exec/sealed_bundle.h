#pragma once
// The files of a DAG version, ready to be unpacked into working directories.
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/process/unique_fd.h"

namespace penstock::worker::exec {

// One file; borrows.
struct BundleEntry {
  std::string_view path;  // relative, '/'-separated
  bool executable = false;
  std::string_view content;
};

// The files in memory that the kernel itself keeps anybody from changing (a sealed memfd), the
// same user and root included. Attempts get copies, made by their runner: a directory on disk that
// attempts link to or share would be theirs to change, for they run as the same user. Immutable.
class SealedBundle {
 public:
  // InvalidArgument: a path is absolute, empty, too long, has a "." or ".." or empty part, a NUL,
  // comes twice, or is another's directory. ResourceExhausted: no memory or descriptor.
  static absl::StatusOr<std::shared_ptr<const SealedBundle>> Make(
      const std::vector<BundleEntry>& files);

  int fd() const { return fd_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  SealedBundle(process::UniqueFd fd, size_t bytes) : fd_(std::move(fd)), bytes_(bytes) {}

  const process::UniqueFd fd_;
  const size_t bytes_;
};

// Bundles by content hash; those used least recently are let go beyond `max_bytes` (attempts that
// still need one keep it). Not thread-safe.
class BundleCache {
 public:
  explicit BundleCache(size_t max_bytes) : max_bytes_(max_bytes) {}
  // Null: not here.
  std::shared_ptr<const SealedBundle> Find(const std::string& hash);
  void Put(const std::string& hash, std::shared_ptr<const SealedBundle> bundle);
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::shared_ptr<const SealedBundle> bundle;  // shared with attempts
    std::list<std::string>::iterator used;
  };

  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::list<std::string> by_use_;  // the latest first
  absl::flat_hash_map<std::string, Entry> entries_;
};

}  // namespace penstock::worker::exec
