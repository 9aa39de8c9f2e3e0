#include "worker/session/log_shipper.h"

#include <utility>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/rpc/channel.h"
#include "penstock/v1/worker.grpc.pb.h"
#include "worker/session/convert.h"

namespace penstock::worker {

namespace {

constexpr size_t kBatchBytes = 256 << 10;
constexpr absl::Duration kWatchInterval = absl::Milliseconds(200);

v1::LogStream ToProto(exec::LogStream stream) {
  switch (stream) {
    case exec::LogStream::kStdout:
      return v1::LOG_STREAM_STDOUT;
    case exec::LogStream::kStderr:
      return v1::LOG_STREAM_STDERR;
    case exec::LogStream::kSystem:
      return v1::LOG_STREAM_SYSTEM;
  }
  return v1::LOG_STREAM_UNSPECIFIED;
}

v1::LogBatch ToProto(std::vector<LogChunk> chunks) {
  v1::LogBatch batch;
  for (LogChunk& chunk : chunks) {
    v1::LogChunk* out = batch.add_chunks();
    worker::ToProto(chunk.key, out->mutable_attempt());
    out->set_offset(chunk.offset);
    out->set_stream(ToProto(chunk.piece.stream));
    out->set_at_us(chunk.piece.at_us);
    out->set_data(std::move(chunk.piece.bytes));
    out->set_end(chunk.piece.end);
    out->set_truncated(chunk.piece.truncated);
  }
  return batch;
}

bool MergeBatches(v1::LogBatch& last, v1::LogBatch& next) {
  if (last.ByteSizeLong() + next.ByteSizeLong() > kBatchBytes) return false;
  last.MergeFrom(next);
  return true;
}

}  // namespace

// Lives until the end of its stream, for which Stop waits.
class LogShipper::Handler final : public rpc::StreamHandler<v1::LogAcks> {
 public:
  explicit Handler(LogShipper& shipper) : shipper_(shipper) {}
  bool OnMessage(v1::LogAcks acks) override { return shipper_.Acknowledged(acks); }
  void OnClosed(const absl::Status& status) override { shipper_.Closed(status); }

 private:
  LogShipper& shipper_;
};

LogShipper::LogShipper(LogBuffer::Options options, const AddressBook& book, const Clock& clock,
                       Pause pause)
    : book_(book),
      clock_(clock),
      pause_(std::move(pause)),
      buffer_(options),
      backoff_(absl::Milliseconds(100), absl::Seconds(2), static_cast<uint64_t>(RandomId())) {}

LogShipper::~LogShipper() { Stop(); }

bool LogShipper::Append(const AttemptKey& key, exec::LogPiece piece) {
  LogBuffer::Pauses pauses;
  bool waits = false;
  {
    MutexLock lock(&mu_);
    if (stopped_) return false;
    buffer_.Append(key, std::move(piece), clock_.Steady(), &pauses);
    waits = !open_ && !buffer_.empty();
  }
  Act(pauses);
  if (!waits) Send();
  return waits;
}

bool LogShipper::Acknowledged(const v1::LogAcks& acks) {
  LogBuffer::Pauses pauses;
  {
    MutexLock lock(&mu_);
    const SteadyTime now = clock_.Steady();
    for (const v1::LogAcks::Ack& ack : acks.acks()) {
      buffer_.Acknowledge(FromProto(ack.attempt()), ack.stored(), ack.ended(), now, &pauses);
    }
    backoff_.Reset();
  }
  Act(pauses);
  Send();
  return true;
}

void LogShipper::Closed(const absl::Status& status) {
  obs::Debug("log stream ended", {{"status", status}});
  MutexLock lock(&mu_);
  stream_ = nullptr;
  open_ = false;
  ++turn_;
  retry_at_ = clock_.Steady() + backoff_.Next();
  buffer_.Restart();
  closed_.SignalAll();
}

SteadyTime LogShipper::Tick() {
  LogBuffer::Pauses pauses;
  std::string address;
  SteadyTime next = SteadyTime::Infinite();
  {
    MutexLock lock(&mu_);
    const SteadyTime now = clock_.Steady();
    buffer_.Tick(now, &pauses);
    if (!buffer_.empty() && !stopped_) {
      const std::vector<std::string> addresses = book_.List();
      next = now + kWatchInterval;
      if (!open_ && now < retry_at_) {
        next = std::min(next, retry_at_);
      } else if (!open_ && !addresses.empty()) {
        open_ = true;
        address = addresses[turn_ % addresses.size()];
      }
    }
  }
  Act(pauses);
  if (!address.empty()) Open(address);
  return next;
}

void LogShipper::Open(const std::string& address) {
  // A channel of its own for each stream, as for the control streams.
  channels_.Forget(address);
  const auto stub = v1::WorkerService::NewStub(channels_.Get(address));
  rpc::StreamOptions<v1::LogBatch> options;
  options.merge = MergeBatches;
  auto stream = rpc::OpenStream<v1::LogAcks, v1::LogBatch>(
      [&](grpc::ClientContext* context, auto* reactor) { stub->async()->Bulk(context, reactor); },
      options, [this](std::shared_ptr<Out>) { return std::make_shared<Handler>(*this); });
  bool closing = false;
  {
    MutexLock lock(&mu_);
    // It may be over already.
    if (open_ && !stopped_) stream_ = stream;
    if (stopped_) closing = true;
  }
  if (closing) stream->Cancel(MakeStatus(absl::StatusCode::kCancelled, "shutdown"));
  Send();
}

// Only one thread sends at a time, so that chunks keep their order; it goes on until none is left.
void LogShipper::Send() {
  for (;;) {
    std::vector<LogChunk> chunks;
    std::shared_ptr<Out> stream;
    {
      MutexLock lock(&mu_);
      if (sending_ || stream_ == nullptr || stopped_) return;
      chunks = buffer_.Take(kBatchBytes);
      if (chunks.empty()) return;
      stream = stream_;
      sending_ = true;
      for (const LogChunk& chunk : chunks) {
        sent_bytes_ += static_cast<int64_t>(chunk.piece.bytes.size());
      }
    }
    const bool sent = stream->Send(ToProto(std::move(chunks)));
    if (!sent) stream->Cancel(MakeStatus(absl::StatusCode::kUnavailable, "cannot send logs"));
    MutexLock lock(&mu_);
    sending_ = false;
  }
}

void LogShipper::Act(const LogBuffer::Pauses& pauses) {
  if (pauses.empty()) return;
  MutexLock act(&act_mu_);
  for (const auto& [key, then] : pauses) {
    bool paused = false;
    {
      MutexLock lock(&mu_);
      paused = buffer_.IsPaused(key);
    }
    pause_(key, paused);
  }
}

bool LogShipper::Empty() const {
  MutexLock lock(&mu_);
  return buffer_.empty();
}

size_t LogShipper::buffered_bytes() const {
  MutexLock lock(&mu_);
  return buffer_.bytes();
}

int64_t LogShipper::dropped_bytes() const {
  MutexLock lock(&mu_);
  return buffer_.dropped_bytes();
}

int64_t LogShipper::sent_bytes() const {
  MutexLock lock(&mu_);
  return sent_bytes_;
}

void LogShipper::Stop() {
  std::shared_ptr<Out> stream;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    stream = stream_;
  }
  if (stream != nullptr) stream->Cancel(MakeStatus(absl::StatusCode::kCancelled, "shutdown"));
  MutexLock lock(&mu_);
  while (open_) closed_.Wait(&mu_);
}

}  // namespace penstock::worker
