#pragma once
// Where the output of attempts is kept and read from: an interface, so that files
// (file_log_store.h) can be joined by object storage.
//
// The output of an attempt is one sequence of bytes in which standard output and error lie in the
// order of their arrival. An offset counts these bytes from 0; each record holds a stretch of one
// stream. Writers number what they send by offset, so that sending again does no harm.
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ids.h"

namespace penstock::logstore {

// One attempt of one task instance.
struct AttemptRef {
  RunId run;            // > 0
  int32_t task = 0;     // index of the task, >= 0
  int32_t map = -1;     // map index, -1 = not mapped
  int32_t attempt = 0;  // attempt number, >= 0
  friend auto operator<=>(const AttemptRef&, const AttemptRef&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const AttemptRef& ref) {
    return H::combine(std::move(h), ref.run, ref.task, ref.map, ref.attempt);
  }
};

enum class LogStream : uint8_t { kStdout = 1, kStderr = 2, kSystem = 3 };

// What a writer adds. `bytes` is borrowed for the call.
struct LogChunk {
  int64_t offset = 0;  // of the first byte
  LogStream stream = LogStream::kStdout;
  absl::Time at;           // the writer's wall clock, kept to the microsecond
  std::string_view bytes;  // may be empty if a mark is set
  bool end = false;        // nothing follows
  bool truncated = false;  // the writer dropped output after these bytes
};

struct LogRecord {
  int64_t offset = 0;
  LogStream stream = LogStream::kStdout;
  absl::Time at;
  std::string bytes;
  bool truncated = false;  // output was dropped after these bytes, by the writer or by the store
};

struct LogState {
  int64_t stored = 0;  // bytes that can be read: the next offset to be stored
  // The writer may forget its bytes below this. More than `stored` once the attempt's limit of size
  // is reached: what comes then is dropped on purpose.
  int64_t acknowledged = 0;
  bool ended = false;
  bool truncated = false;
};

struct LogSlice {
  std::vector<LogRecord> records;  // in order, without gaps
  int64_t next_offset = 0;         // where to read on
  // Makes reading on quick; pass it back with next_offset, or 0. Means nothing else.
  int64_t cursor = 0;
  bool ended = false;  // there is and will be nothing at or after next_offset
};

// Thread-safe, also across processes that share the storage. Every call may block on I/O.
class LogStore {
 public:
  virtual ~LogStore() = default;

  // Stores the chunks in order. Bytes that are stored already are skipped; anything after the end
  // is ignored. OUT_OF_RANGE if a chunk starts beyond what is stored (chunks before it are kept;
  // send again from `stored`), INVALID_ARGUMENT for a malformed reference or offset,
  // RESOURCE_EXHAUSTED if the storage is full, UNAVAILABLE for other I/O errors: then the same
  // chunks may be sent again.
  virtual absl::StatusOr<LogState> Append(const AttemptRef& ref,
                                          const std::vector<LogChunk>& chunks) = 0;
  // All zero for an attempt of which nothing is stored.
  virtual absl::StatusOr<LogState> Stat(const AttemptRef& ref) = 0;
  // Reads from byte `offset` (>= 0) about `max_bytes` (at least one record if there is one; the
  // first begins exactly at `offset`, cut if need be). Empty where nothing is stored yet: following
  // is asking again.
  virtual absl::StatusOr<LogSlice> Read(const AttemptRef& ref, int64_t offset, int64_t max_bytes,
                                        int64_t cursor) = 0;
  // Forgets all attempts of a run. OK if there are none.
  virtual absl::Status DeleteRun(RunId run) = 0;
  // Runs of which something is stored, in no order; for retention.
  virtual absl::StatusOr<std::vector<RunId>> Runs() = 0;
};

}  // namespace penstock::logstore
