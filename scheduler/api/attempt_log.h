#pragma once
// The log of one attempt, read in order from wherever its parts are: a worker sends its logs to one
// scheduler at a time, and goes on with another one when that is gone.
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/logstore/log_store.h"
#include "scheduler/api/services.h"

namespace penstock::api {

struct LogPiece {
  std::vector<logstore::LogRecord> records;  // in order, without gaps
  bool ended = false;                        // nothing follows
};

// Bytes that a scheduler could not get hold of are stored as NULs of the system stream, so that
// offsets stay right; no other system record holds a NUL.
bool IsHole(const logstore::LogRecord& record);

// Not thread-safe; blocks on files and, where allowed, on peers.
class AttemptLog {
 public:
  AttemptLog(const Services& services, const logstore::AttemptRef& attempt, int64_t offset)
      : s_(services), attempt_(attempt), offset_(offset) {}

  // What follows; no records and not ended = nothing is stored yet. Peers are asked when this node
  // has nothing (or a hole) and `ask_peers`; those that do not answer count as having nothing.
  absl::StatusOr<LogPiece> Next(bool ask_peers);
  int64_t offset() const { return offset_; }
  // Skips to the last `bytes` when this node knows that it has everything.
  absl::Status SkipToTail(int64_t bytes);

 private:
  absl::StatusOr<LogPiece> FromHere();
  LogPiece FromPeers();
  LogPiece Take(logstore::LogSlice slice);

  const Services& s_;
  const logstore::AttemptRef attempt_;
  int64_t offset_;
  int64_t cursor_ = 0;  // the local store's
};

}  // namespace penstock::api
