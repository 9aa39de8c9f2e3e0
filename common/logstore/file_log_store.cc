#include "common/logstore/file_log_store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/logstore/io_error.h"
#include "common/logstore/record_reader.h"

namespace penstock::logstore {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxKnown = 4096;
constexpr int kTasksPerDirectory = 1000;

// Closes on destruction, which also releases a lock.
class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status CheckRef(const AttemptRef& ref) {
  if (ref.run.value() > 0 && ref.task >= 0 && ref.map >= -1 && ref.attempt >= 0) {
    return absl::OkStatus();
  }
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("not an attempt: run {} task {} map {} attempt {}", ref.run.value(),
                                ref.task, ref.map, ref.attempt));
}

int OpenForAppend(const fs::path& path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
  const int fd = open(path.c_str(), kFlags, 0640);
  if (fd >= 0 || errno != ENOENT) return fd;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    errno = error.value();
    return -1;
  }
  return open(path.c_str(), kFlags, 0640);
}

absl::Status Lock(int fd) {
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return IoError("lock", errno);
  }
  return absl::OkStatus();
}

struct FileInfo {
  int64_t size = 0;
  uint64_t inode = 0;
};

absl::StatusOr<FileInfo> Inspect(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return IoError("stat", errno);
  return FileInfo{int64_t{info.st_size}, uint64_t{info.st_ino}};
}

absl::Status CheckChunk(const LogChunk& chunk) {
  constexpr int64_t kMaxOffset = int64_t{1} << 62;
  if (chunk.offset >= 0 && chunk.offset <= kMaxOffset) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("{} is not an offset in a log", chunk.offset));
}

// Writes all of `bytes` at the file's end (`size`), or leaves the file as it was.
absl::Status WriteAll(int fd, std::string_view bytes, int64_t size) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      // If even this fails, the torn record is cut by the next append.
      if (ftruncate(fd, size) != 0) return IoError("write and undo", error);
      return IoError("write", error);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::optional<int64_t> ParseNumber(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int64_t EndOf(const LogChunk& chunk) {
  return chunk.offset + static_cast<int64_t>(chunk.bytes.size());
}

// Whether a reader from `offset` on is given `record`: not if it holds nothing but the end mark.
bool Shows(const RecordView& record, int64_t offset) {
  const int64_t end = record.header.offset + static_cast<int64_t>(record.content.size());
  if (record.content.empty()) return record.header.truncated && end >= offset;
  return end > offset;
}

// The part of `record` from `offset` on.
LogRecord CutRecord(const RecordView& record, int64_t offset) {
  const int64_t skip = std::max<int64_t>(0, offset - record.header.offset);
  return {record.header.offset + skip, record.header.stream,
          absl::FromUnixMicros(record.header.at_us),
          std::string(record.content.substr(static_cast<size_t>(skip))), record.header.truncated};
}

}  // namespace

FileLogStore::FileLogStore(Options options) : options_(std::move(options)) {}

fs::path FileLogStore::RunPath(RunId run) const {
  return options_.root / fmt::format("{:02x}", run.value() & 0xFF) / fmt::format("{}", run.value());
}

fs::path FileLogStore::FilePath(const AttemptRef& ref) const {
  return RunPath(ref.run) / fmt::format("{}", ref.task / kTasksPerDirectory) /
         fmt::format("{}.{}.{}.log", ref.task, ref.map, ref.attempt);
}

absl::StatusOr<LogState> FileLogStore::Append(const AttemptRef& ref,
                                              const std::vector<LogChunk>& chunks) {
  PENSTOCK_RETURN_IF_ERROR(CheckRef(ref));
  const OpenFile file(OpenForAppend(FilePath(ref)));
  if (file.fd() < 0) return IoError("open", errno);
  PENSTOCK_RETURN_IF_ERROR(Lock(file.fd()));
  return AppendLocked(file.fd(), ref, chunks);
}

absl::StatusOr<LogState> FileLogStore::AppendLocked(int fd, const AttemptRef& ref,
                                                    const std::vector<LogChunk>& chunks) {
  PENSTOCK_ASSIGN_OR_RETURN(FileState state, Load(fd, ref));
  PENSTOCK_ASSIGN_OR_RETURN(const FileInfo info, Inspect(fd));
  if (info.size > state.size && ftruncate(fd, state.size) != 0) return IoError("cut", errno);
  const bool had_ended = state.ended;
  const int64_t old_size = state.size;
  std::string bytes;
  absl::Status refused;
  for (const LogChunk& chunk : chunks) {
    refused = Encode(chunk, &state, &bytes);
    if (!refused.ok()) break;
  }
  PENSTOCK_RETURN_IF_ERROR(WriteAll(fd, bytes, old_size));
  state.size = old_size + static_cast<int64_t>(bytes.size());
  Remember(ref, state);
  PENSTOCK_RETURN_IF_ERROR(refused);
  if (state.ended && !had_ended && options_.sync_at_end && fdatasync(fd) != 0) {
    return IoError("sync", errno);
  }
  return ToLogState(state, chunks);
}

absl::Status FileLogStore::Encode(const LogChunk& chunk, FileState* state, std::string* out) const {
  PENSTOCK_RETURN_IF_ERROR(CheckChunk(chunk));
  if (state->ended) return absl::OkStatus();
  const bool full = state->stored >= options_.max_attempt_bytes;
  if (chunk.offset > state->stored && !full) {
    return MakeStatus(absl::StatusCode::kOutOfRange,
                      fmt::format("the chunk starts at byte {} but only {} are stored",
                                  chunk.offset, state->stored));
  }
  const int64_t known = std::clamp<int64_t>(state->stored - chunk.offset, 0,
                                            static_cast<int64_t>(chunk.bytes.size()));
  std::string_view rest = chunk.bytes.substr(static_cast<size_t>(known));
  const auto room =
      static_cast<size_t>(std::max<int64_t>(0, options_.max_attempt_bytes - state->stored));
  const bool dropped = chunk.truncated || rest.size() > room;
  rest = rest.substr(0, room);
  const bool marks = chunk.end || (dropped && !state->truncated);
  while (!rest.empty() || marks) {
    const std::string_view piece = rest.substr(0, kMaxRecordBytes);
    rest.remove_prefix(piece.size());
    RecordHeader header;
    header.offset = state->stored;
    header.at_us = absl::ToUnixMicros(chunk.at);
    header.stream = chunk.stream;
    header.end = rest.empty() && chunk.end;
    header.truncated = rest.empty() && dropped && !state->truncated;
    AppendRecord(header, piece, out);
    state->stored += static_cast<int64_t>(piece.size());
    if (rest.empty()) break;
  }
  state->ended = chunk.end;
  state->truncated = state->truncated || dropped;
  return absl::OkStatus();
}

LogState FileLogStore::ToLogState(const FileState& state,
                                  const std::vector<LogChunk>& chunks) const {
  LogState result{state.stored, state.stored, state.ended, state.truncated};
  const bool drops = state.ended || state.stored >= options_.max_attempt_bytes;
  for (const LogChunk& chunk : chunks) {
    if (drops) result.acknowledged = std::max(result.acknowledged, EndOf(chunk));
  }
  return result;
}

absl::StatusOr<FileLogStore::FileState> FileLogStore::Load(int fd, const AttemptRef& ref) {
  PENSTOCK_ASSIGN_OR_RETURN(const FileInfo info, Inspect(fd));
  FileState state = Recall(ref, info.inode);
  if (state.size > info.size) state = FileState{info.inode};
  if (state.size == info.size) return state;
  RecordReader reader(fd, state.size);
  while (true) {
    PENSTOCK_ASSIGN_OR_RETURN(const std::optional<RecordView> record, reader.Next());
    if (!record.has_value()) break;
    state.size = reader.position();
    state.stored = record->header.offset + static_cast<int64_t>(record->content.size());
    state.ended = state.ended || record->header.end;
    state.truncated = state.truncated || record->header.truncated;
  }
  return state;
}

void FileLogStore::Remember(const AttemptRef& ref, const FileState& state) {
  MutexLock lock(&mu_);
  if (known_.size() >= kMaxKnown) known_.erase(known_.begin());
  known_[ref] = state;
}

FileLogStore::FileState FileLogStore::Recall(const AttemptRef& ref, uint64_t inode) {
  MutexLock lock(&mu_);
  const auto it = known_.find(ref);
  return it != known_.end() && it->second.inode == inode ? it->second : FileState{inode};
}

absl::StatusOr<LogState> FileLogStore::Stat(const AttemptRef& ref) {
  PENSTOCK_RETURN_IF_ERROR(CheckRef(ref));
  const OpenFile file(open(FilePath(ref).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.fd() < 0 && errno == ENOENT) return LogState{};
  if (file.fd() < 0) return IoError("open", errno);
  PENSTOCK_ASSIGN_OR_RETURN(const FileState state, Load(file.fd(), ref));
  return ToLogState(state, {});
}

absl::StatusOr<LogSlice> FileLogStore::Read(const AttemptRef& ref, int64_t offset,
                                            int64_t max_bytes, int64_t cursor) {
  PENSTOCK_RETURN_IF_ERROR(CheckRef(ref));
  if (offset < 0 || cursor < 0) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "log offsets are not negative");
  }
  LogSlice slice{{}, offset, cursor, false};
  const OpenFile file(open(FilePath(ref).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.fd() < 0 && errno == ENOENT) return slice;
  if (file.fd() < 0) return IoError("open", errno);
  RecordReader reader(file.fd(), cursor);
  for (int64_t bytes = 0; bytes < max_bytes && !slice.ended;) {
    PENSTOCK_ASSIGN_OR_RETURN(const std::optional<RecordView> record, reader.Next());
    if (!record.has_value()) break;
    slice.cursor = reader.position();
    slice.ended = record->header.end;
    if (!Shows(*record, offset)) continue;
    slice.records.push_back(CutRecord(*record, offset));
    bytes += static_cast<int64_t>(slice.records.back().bytes.size());
    slice.next_offset = record->header.offset + static_cast<int64_t>(record->content.size());
  }
  return slice;
}

absl::Status FileLogStore::DeleteRun(RunId run) {
  PENSTOCK_RETURN_IF_ERROR(CheckRef({run, 0, -1, 0}));
  std::error_code error;
  fs::remove_all(RunPath(run), error);
  MutexLock lock(&mu_);
  absl::erase_if(known_, [run](const auto& entry) { return entry.first.run == run; });
  return error ? IoError("delete", error.value()) : absl::OkStatus();
}

absl::StatusOr<std::vector<RunId>> FileLogStore::Runs() {
  std::vector<RunId> runs;
  std::error_code error;
  fs::recursive_directory_iterator it(options_.root, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    if (it.depth() < 1) continue;
    it.disable_recursion_pending();
    const std::optional<int64_t> run = ParseNumber(it->path().filename().string());
    if (run.has_value()) runs.emplace_back(*run);
  }
  if (error && error != std::errc::no_such_file_or_directory) return IoError("list", error.value());
  return runs;
}

}  // namespace penstock::logstore
