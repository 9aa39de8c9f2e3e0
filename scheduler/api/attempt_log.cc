#include "scheduler/api/attempt_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/status_macros.h"

namespace penstock::api {
namespace {

constexpr int64_t kSliceBytes = 1 << 20;
constexpr absl::Duration kPeerTimeout = absl::Seconds(2);

// Cuts the slice before its first hole; a slice that begins with one becomes empty.
void CutAtHole(logstore::LogSlice* slice) {
  const auto hole = std::find_if(slice->records.begin(), slice->records.end(), IsHole);
  if (hole == slice->records.end()) return;
  slice->next_offset = hole->offset;
  slice->cursor = 0;
  slice->ended = false;
  slice->records.erase(hole, slice->records.end());
}

void DescribeHoles(std::vector<logstore::LogRecord>* records) {
  for (logstore::LogRecord& record : *records) {
    if (!IsHole(record)) continue;
    record.bytes = fmt::format(
        "[penstock] {} bytes of output are not available: the scheduler "
        "that stored them is gone\n",
        record.bytes.size());
    record.truncated = true;
  }
}

}  // namespace

bool IsHole(const logstore::LogRecord& record) {
  return record.stream == logstore::LogStream::kSystem && !record.bytes.empty() &&
         record.bytes.find_first_not_of('\0') == std::string::npos;
}

absl::StatusOr<LogPiece> AttemptLog::Next(bool ask_peers) {
  PENSTOCK_ASSIGN_OR_RETURN(LogPiece piece, FromHere());
  if (!piece.records.empty() || piece.ended || !ask_peers) return piece;
  piece = FromPeers();
  if (!piece.records.empty() || piece.ended) return piece;
  // Nobody has more: show what is left of it here, holes included.
  PENSTOCK_ASSIGN_OR_RETURN(auto slice, s_.logs.Read(attempt_, offset_, kSliceBytes, 0));
  piece = Take(std::move(slice));
  DescribeHoles(&piece.records);
  return piece;
}

absl::StatusOr<LogPiece> AttemptLog::FromHere() {
  PENSTOCK_ASSIGN_OR_RETURN(auto slice, s_.logs.Read(attempt_, offset_, kSliceBytes, cursor_));
  CutAtHole(&slice);
  return Take(std::move(slice));
}

LogPiece AttemptLog::FromPeers() {
  const SchedulerId self = s_.engine.self();
  for (const store::SchedulerRow& peer : s_.engine.View().schedulers) {
    if (peer.id == self) continue;
    auto slice = s_.peers.ReadLog(peer.address, {attempt_, offset_}, kSliceBytes, kPeerTimeout);
    if (!slice.ok()) continue;
    CutAtHole(&*slice);
    if (slice->records.empty() && !slice->ended) continue;
    slice->cursor = 0;
    return Take(*std::move(slice));
  }
  return {};
}

LogPiece AttemptLog::Take(logstore::LogSlice slice) {
  offset_ = slice.next_offset;
  cursor_ = slice.cursor;
  return {std::move(slice.records), slice.ended};
}

absl::Status AttemptLog::SkipToTail(int64_t bytes) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto state, s_.logs.Stat(attempt_));
  if (state.ended) offset_ = std::max(offset_, state.stored - bytes);
  return absl::OkStatus();
}

}  // namespace penstock::api
