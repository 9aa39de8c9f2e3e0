#include "scheduler/api/log_intake.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "common/base/status_macros.h"
#include "common/obs/log.h"
#include "scheduler/api/worker_convert.h"

namespace penstock::api {
namespace {

constexpr size_t kMaxBatches = 4;
constexpr int64_t kPieceBytes = 1 << 20;
// No log is longer, whatever the store allows: bounds what a confused worker can make us fill.
constexpr int64_t kMaxFillBytes = int64_t{256} << 20;
constexpr absl::Duration kPeerTimeout = absl::Seconds(2);

using ByAttempt = absl::btree_map<logstore::AttemptRef, std::vector<logstore::LogChunk>>;

absl::StatusOr<ByAttempt> Sort(const v1::LogBatch& batch) {
  ByAttempt result;
  for (const v1::LogChunk& chunk : batch.chunks()) {
    PENSTOCK_ASSIGN_OR_RETURN(const logstore::AttemptRef attempt, ToLogRef(chunk.attempt()));
    if (chunk.data().size() > kMaxLogChunkBytes || chunk.offset() < 0) {
      return absl::InvalidArgumentError("a log chunk is too large or has a negative offset");
    }
    result[attempt].push_back(ToLogChunk(chunk));
  }
  return result;
}

void AddAck(const logstore::AttemptRef& attempt, const logstore::LogState& state,
            v1::LogAcks* acks) {
  v1::LogAcks::Ack* ack = acks->add_acks();
  core::AttemptRef ref;
  ref.key = {attempt.run, attempt.task, attempt.map};
  ref.attempt = attempt.attempt;
  *ack->mutable_attempt() = ToProto(ref);
  ack->set_stored(state.acknowledged);
  ack->set_ended(state.ended);
}

logstore::LogChunk ToChunk(const logstore::LogRecord& record) {
  return {record.offset, record.stream, record.at, record.bytes, false, record.truncated};
}

// What a peer has from the local end on; false = nothing, or the peer does not answer.
absl::StatusOr<bool> CopyFrom(const Services& s, const std::string& address,
                              const logstore::AttemptRef& attempt, int64_t* stored,
                              int64_t offset) {
  const auto slice = s.peers.ReadLog(address, {attempt, *stored}, kPieceBytes, kPeerTimeout);
  if (!slice.ok() || slice->records.empty()) return false;
  std::vector<logstore::LogChunk> chunks;
  for (const logstore::LogRecord& record : slice->records) {
    if (record.offset < offset) chunks.push_back(ToChunk(record));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const auto state, s.logs.Append(attempt, chunks));
  const bool grew = state.stored > *stored;
  *stored = state.stored;
  return grew;
}

absl::StatusOr<bool> CopyFromPeers(const Services& s, const logstore::AttemptRef& attempt,
                                   int64_t* stored, int64_t offset) {
  for (const store::SchedulerRow& peer : s.engine.View().schedulers) {
    if (peer.id == s.engine.self()) continue;
    PENSTOCK_ASSIGN_OR_RETURN(const bool grew, CopyFrom(s, peer.address, attempt, stored, offset));
    if (grew) return true;
  }
  return false;
}

absl::Status MakeHole(const Services& s, const logstore::AttemptRef& attempt, int64_t from,
                      int64_t to) {
  obs::Warning("part of a log is lost", {{"run", attempt.run},
                                         {"task", attempt.task},
                                         {"attempt", attempt.attempt},
                                         {"bytes", to - from}});
  while (from < to) {
    const std::string zeros(static_cast<size_t>(std::min(kPieceBytes, to - from)), '\0');
    logstore::LogChunk chunk;
    chunk.offset = from;
    chunk.stream = logstore::LogStream::kSystem;
    chunk.at = s.clock.Wall();
    chunk.bytes = zeros;
    PENSTOCK_RETURN_IF_ERROR(s.logs.Append(attempt, {chunk}).status());
    from += static_cast<int64_t>(zeros.size());
  }
  return absl::OkStatus();
}

}  // namespace

LogIntake::LogIntake(const Services& services, std::shared_ptr<Stream> stream)
    : s_(services), stream_(std::move(stream)), strand_(services.files, kMaxBatches) {}

bool LogIntake::OnMessage(v1::LogBatch batch) {
  const auto shared = std::make_shared<v1::LogBatch>(std::move(batch));
  if (!strand_.TryPost([self = shared_from_this(), shared] { self->Store(*shared); })) {
    stream_->Close(absl::ResourceExhaustedError("the scheduler is busy storing logs; try again"));
  }
  return false;  // Store reads on
}

void LogIntake::Store(const v1::LogBatch& batch) {
  const absl::StatusOr<ByAttempt> attempts = Sort(batch);
  if (!attempts.ok()) return stream_->Close(attempts.status());
  v1::LogAcks acks;
  for (const auto& [attempt, chunks] : *attempts) {
    const absl::Status stored = StoreAttempt(attempt, chunks, &acks);
    if (!stored.ok()) return stream_->Close(stored);
  }
  stream_->Send(std::move(acks));
  stream_->ResumeReads();
}

absl::Status LogIntake::StoreAttempt(const logstore::AttemptRef& attempt,
                                     const std::vector<logstore::LogChunk>& chunks,
                                     v1::LogAcks* acks) {
  auto state = s_.logs.Append(attempt, chunks);
  if (absl::IsOutOfRange(state.status())) {
    PENSTOCK_RETURN_IF_ERROR(FillUpTo(s_, attempt, chunks.front().offset));
    state = s_.logs.Append(attempt, chunks);
  }
  if (!state.ok()) return state.status();
  AddAck(attempt, *state, acks);
  return absl::OkStatus();
}

absl::Status FillUpTo(const Services& services, const logstore::AttemptRef& attempt,
                      int64_t offset) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto state, services.logs.Stat(attempt));
  int64_t stored = state.stored;
  if (offset - stored > kMaxFillBytes) {
    return absl::InvalidArgumentError("a log chunk begins far beyond what is stored");
  }
  for (bool more = true; more && stored < offset;) {
    PENSTOCK_ASSIGN_OR_RETURN(more, CopyFromPeers(services, attempt, &stored, offset));
  }
  return MakeHole(services, attempt, stored, offset);
}

}  // namespace penstock::api
