#pragma once
// The log store in a directory tree, one append-only file per attempt:
//   <root>/<run modulo 256, hex>/<run>/<task / 1000>/<task>.<map>.<attempt>.log
// Names are made of numbers only. Several processes may share the tree: an append holds the file's
// lock (flock) and keeps nothing about the file that another process could change.
//
// Durability: an append is in the kernel when it returns, so it survives the death of any process,
// but not of the machine; with `sync_at_end` the file is fsynced when the attempt's output ends,
// and then survives that too. A record torn by a crash is recognised by its checksum, never shown,
// and cut off by the next append.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/mutex.h"
#include "common/logstore/log_store.h"

namespace penstock::logstore {

class FileLogStore final : public LogStore {
 public:
  struct Options {
    std::filesystem::path root;            // made if need be
    int64_t max_attempt_bytes = 64 << 20;  // of content; beyond it output is dropped and so marked
    bool sync_at_end = false;
  };

  explicit FileLogStore(Options options);

  absl::StatusOr<LogState> Append(const AttemptRef& ref,
                                  const std::vector<LogChunk>& chunks) override;
  absl::StatusOr<LogState> Stat(const AttemptRef& ref) override;
  absl::StatusOr<LogSlice> Read(const AttemptRef& ref, int64_t offset, int64_t max_bytes,
                                int64_t cursor) override;
  absl::Status DeleteRun(RunId run) override;
  absl::StatusOr<std::vector<RunId>> Runs() override;

 private:
  // The valid records of a file and what they add up to.
  struct FileState {
    uint64_t inode = 0;
    int64_t size = 0;  // bytes of the file up to the end of the last valid record
    int64_t stored = 0;
    bool ended = false;
    bool truncated = false;
  };

  std::filesystem::path RunPath(RunId run) const;
  std::filesystem::path FilePath(const AttemptRef& ref) const;
  absl::StatusOr<FileState> Load(int fd, const AttemptRef& ref);
  absl::StatusOr<LogState> AppendLocked(int fd, const AttemptRef& ref,
                                        const std::vector<LogChunk>& chunks);
  // Adds to `out` what `chunk` brings beyond `state`, and to `state` what it makes of it.
  absl::Status Encode(const LogChunk& chunk, FileState* state, std::string* out) const;
  LogState ToLogState(const FileState& state, const std::vector<LogChunk>& chunks) const;
  void Remember(const AttemptRef& ref, const FileState& state) ABSL_LOCKS_EXCLUDED(mu_);
  FileState Recall(const AttemptRef& ref, uint64_t inode) ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  Mutex mu_;
  // How far files have been read, so that an append need not read them again. Only a hint: valid
  // records never change, so what lies beyond is read; another or a shorter file is read anew.
  absl::flat_hash_map<AttemptRef, FileState> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::logstore
