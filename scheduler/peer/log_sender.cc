#include "scheduler/peer/log_sender.h"

#include "absl/status/statusor.h"

namespace penstock::peer {
namespace {
constexpr int64_t kSliceBytes = 1 << 20;
}

void LogSender::Go() {
  if (strand_.TryPost([self = shared_from_this()] { self->SendSlices(); })) return;
  stream_->Close(absl::ResourceExhaustedError("this scheduler is busy reading logs; try again"));
}

void LogSender::SendSlices() {
  while (SendWaiting()) {
    if (ended_) return stream_->Close(absl::OkStatus());
    if (!ReadSlice()) return;
  }
}

bool LogSender::ReadSlice() {
  absl::StatusOr<logstore::LogSlice> slice =
      logs_.Read(place_.attempt, place_.offset, kSliceBytes, cursor_);
  if (!slice.ok() || (slice->records.empty() && !slice->ended)) {
    stream_->Close(slice.status());
    return false;
  }
  for (logstore::LogRecord& record : slice->records) {
    waiting_.push_back(ToProto(std::move(record)));
  }
  place_.offset = slice->next_offset;
  cursor_ = slice->cursor;
  ended_ = slice->ended;
  if (ended_) {
    waiting_.emplace_back().set_offset(place_.offset);
    waiting_.back().set_end(true);
  }
  return true;
}

bool LogSender::SendWaiting() {
  while (!waiting_.empty()) {
    if (!stream_->Send(waiting_.front())) return false;
    waiting_.pop_front();
  }
  return true;
}

}  // namespace penstock::peer
