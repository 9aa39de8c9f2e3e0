#pragma once
// Carries the output of attempts to a scheduler, over a bulk stream of its own.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/rpc/channel.h"
#include "common/rpc/stream.h"
#include "common/service/event.h"
#include "penstock/v1/worker.pb.h"
#include "worker/session/address_book.h"
#include "worker/session/log_buffer.h"

namespace penstock::worker {

// Thread-safe. Opens a stream when there is something to send, to the first scheduler of the book
// that can be reached. Has no thread: somebody calls Tick.
class LogShipper {
 public:
  // Must not block or call back; the latest call for an attempt is what holds.
  using Pause = std::function<void(const AttemptKey&, bool paused)>;

  // `book` and `clock` are borrowed.
  LogShipper(LogBuffer::Options options, const AddressBook& book, const Clock& clock, Pause pause);
  ~LogShipper();  // Stop()

  // True = there is no stream to send it on: Tick should come soon.
  bool Append(const AttemptKey& key, exec::LogPiece piece) ABSL_LOCKS_EXCLUDED(mu_);
  // Opens a stream where one is needed; watches over patience. Returns when it wants to be called
  // again; infinite when nothing is to be sent.
  SteadyTime Tick() ABSL_LOCKS_EXCLUDED(mu_);
  // All that was appended is stored.
  bool Empty() const ABSL_LOCKS_EXCLUDED(mu_);
  size_t buffered_bytes() const ABSL_LOCKS_EXCLUDED(mu_);
  int64_t dropped_bytes() const ABSL_LOCKS_EXCLUDED(mu_);
  int64_t sent_bytes() const ABSL_LOCKS_EXCLUDED(mu_);
  // Ends the stream and waits for its end. Nothing is sent afterwards. May come twice.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Handler;
  using Out = rpc::Stream<v1::LogBatch>;

  bool Acknowledged(const v1::LogAcks& acks) ABSL_LOCKS_EXCLUDED(mu_);
  void Closed(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  void Open(const std::string& address) ABSL_LOCKS_EXCLUDED(mu_);
  void Send() ABSL_LOCKS_EXCLUDED(mu_);
  void Act(const LogBuffer::Pauses& pauses) ABSL_LOCKS_EXCLUDED(act_mu_, mu_);

  const AddressBook& book_;
  rpc::ChannelCache channels_{{}};  // a stream must not hold the last reference to its channel
  const Clock& clock_;
  const Pause pause_;
  Mutex act_mu_;  // held while pausing and resuming, so that the last word is the right one
  mutable Mutex mu_;
  CondVar closed_;
  LogBuffer buffer_ ABSL_GUARDED_BY(mu_);
  Backoff backoff_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Out> stream_ ABSL_GUARDED_BY(mu_);  // gRPC's side holds it too
  bool open_ ABSL_GUARDED_BY(mu_) = false;            // from before Open until Closed
  bool sending_ ABSL_GUARDED_BY(mu_) = false;         // one thread at a time keeps the order
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  size_t turn_ ABSL_GUARDED_BY(mu_) = 0;  // which address of the book
  SteadyTime retry_at_ ABSL_GUARDED_BY(mu_);
  int64_t sent_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace penstock::worker
