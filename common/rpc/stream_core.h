#pragma once
// The life of one stream without gRPC: at most one read and one write in flight, a bounded queue of
// what is to be written, and one end. stream.h puts it on gRPC's reactors; tests drive it directly.
//
// User's view: Stream<Out> is what one sends through (any thread, any time, also after the end),
// and StreamHandler<In> is what one is told.
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/rpc/out_queue.h"

namespace penstock::rpc {

// The sending side of a stream. Thread-safe; calls never block. Safe to use after the end.
template <typename Out>
class Stream {
 public:
  virtual ~Stream() = default;
  // Queues `message`. False = dropped, because the queue is full (OnWritable will tell when there
  // is room again) or the stream is closing or over. True does not mean that the peer has it.
  virtual bool Send(Out message) = 0;
  // Takes no more messages and writes what is queued; then a server ends the call with `status`,
  // and a client half-closes and waits for the server's end (`status` is not sent). First call
  // counts.
  virtual void Close(const absl::Status& status) = 0;
  // Ends the call now and drops what is queued. `reason` is what the own handler's OnClosed gets.
  virtual void Cancel(const absl::Status& reason) = 0;
  // Reading goes on after an OnMessage that returned false. May come before it has returned.
  virtual void ResumeReads() = 0;
};

// What happens on a stream; holds the rules. Called on gRPC's threads, so nothing here may block.
template <typename In>
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // The next message. Never called concurrently for one stream. Returns whether to read on; false
  // pauses reading (back-pressure reaches the peer) until Stream::ResumeReads.
  virtual bool OnMessage(In message) = 0;
  // Server only: the client has half-closed. Returns whether the stream closes as OK once its queue
  // is written; false leaves that to a later Close by the handler.
  virtual bool OnHalfClose() { return true; }
  // A Send was refused for want of room and there is room now. May overlap an OnMessage.
  virtual void OnWritable() {}
  // The last call, exactly once. Server: the status the call ended with (OK also when the client
  // half-closed, CANCELLED when it vanished). Client: the server's status, or Cancel's reason.
  virtual void OnClosed(const absl::Status& status) = 0;
};

// What the core asks of gRPC. Each call is answered by the core's On...Done, possibly before it
// returns (on another thread).
template <typename In, typename Out>
class StreamTransport {
 public:
  virtual ~StreamTransport() = default;
  virtual void StartRead(In* message) = 0;
  virtual void StartWrite(const Out* message) = 0;
  // Client: half-close, answered by OnWriteDone.
  virtual void StartHalfClose() = 0;
  // Nothing else is in flight but perhaps a read (server). Server: end the call with `status`.
  // Client: let gRPC end the call. Answered by OnDone.
  virtual void StartFinish(const absl::Status& status) = 0;
  // Makes what is in flight fail soon. Called under the core's lock; must not call back inline.
  virtual void TryCancel() = 0;
};

// kServerWriter never reads, kClientReader never writes (nor half-closes).
enum class StreamRole { kServer, kServerWriter, kClient, kClientReader };

template <typename In, typename Out>
class StreamCore final : public Stream<Out> {
 public:
  StreamCore(StreamRole role, const QueueLimits& limits, typename OutQueue<Out>::SizeOf size_of,
             typename OutQueue<Out>::Merge merge)
      : role_(role), queue_(limits, std::move(size_of), std::move(merge)) {}

  // Begins to read and write. Once. `transport` stays valid until OnDone.
  void Open(StreamTransport<In, Out>* transport, std::shared_ptr<StreamHandler<In>> handler) {
    Steps steps;
    {
      MutexLock lock(&mu_);
      transport_ = transport;
      handler_ = std::move(handler);
      read_ended_ = role_ == StreamRole::kServerWriter;
      half_closed_ = role_ == StreamRole::kClientReader;
      if (cancelled_) transport->TryCancel();
      steps = Next();
    }
    Do(steps);
  }

  bool Send(Out message) override {
    Steps steps;
    {
      MutexLock lock(&mu_);
      if (closing_ || broken_ || done_ || !queue_.Push(std::move(message))) return false;
      steps = Next();
    }
    Do(steps);
    return true;
  }

  void Close(const absl::Status& status) override {
    Steps steps;
    {
      MutexLock lock(&mu_);
      BeginClose(status);
      steps = Next();
    }
    Do(steps);
  }

  void Cancel(const absl::Status& reason) override {
    Steps steps;
    {
      MutexLock lock(&mu_);
      if (done_ || finished_ || cancelled_) return;
      cancelled_ = true;
      paused_ = false;
      status_ = reason;
      Break();
      if (transport_ != nullptr) transport_->TryCancel();
      steps = Next();
    }
    Do(steps);
  }

  void ResumeReads() override {
    Steps steps;
    {
      MutexLock lock(&mu_);
      resumed_early_ = in_handler_;
      paused_ = false;
      steps = Next();
    }
    Do(steps);
  }

  // Called by the transport: a read ended. `ok` false = there will be no more messages.
  void OnReadDone(bool ok) {
    if (ok && Deliver()) return;
    const bool close = !ok && AskHalfClose();
    Steps steps;
    {
      MutexLock lock(&mu_);
      reading_ = false;
      if (!ok) read_ended_ = true;
      if (!ok && IsClient()) Break();
      if (close) BeginClose(absl::OkStatus());
      steps = Next();
    }
    Do(steps);
  }

  // Called by the transport: a write or half-close ended. `ok` false = nothing can be written.
  void OnWriteDone(bool ok) {
    Steps steps;
    std::shared_ptr<StreamHandler<In>> tell;
    {
      MutexLock lock(&mu_);
      writing_ = false;
      if (!ok) BreakByPeer();
      steps = Next();
      if (queue_.TakeWritable() && !closing_ && !broken_) tell = handler_;
    }
    Do(steps);
    if (tell != nullptr) tell->OnWritable();
  }

  // Called by a server's transport: the client has vanished or the server cancels the call.
  void OnPeerCancelled() {
    Steps steps;
    {
      MutexLock lock(&mu_);
      BreakByPeer();
      steps = Next();
    }
    Do(steps);
  }

  // Called by the transport, last: nothing is in flight, and `transport` may go. `status` is the
  // client's view of the end; a server passes none.
  void OnDone(const absl::Status* status) {
    std::shared_ptr<StreamHandler<In>> handler;
    absl::Status end;
    {
      MutexLock lock(&mu_);
      done_ = true;
      transport_ = nullptr;
      handler = std::exchange(handler_, nullptr);
      queue_.Clear();
      end = status == nullptr || cancelled_ ? status_ : *status;
    }
    handler->OnClosed(end);
  }

 private:
  // What to ask of the transport once the lock is released. Each is granted by a flag set under the
  // lock, and gRPC frees nothing before the answer: so the transport is valid while it is asked.
  struct Steps {
    StreamTransport<In, Out>* transport = nullptr;
    bool read = false;
    bool write = false;
    bool half_close = false;
    bool finish = false;
    absl::Status finish_status;
  };

  // Hands the message to the handler. True = reading is paused or the next read started.
  bool Deliver() {
    std::shared_ptr<StreamHandler<In>> handler;
    {
      MutexLock lock(&mu_);
      if (cancelled_ || (broken_ && !IsClient())) return false;
      in_handler_ = true;
      resumed_early_ = false;
      handler = handler_;
    }
    const bool go_on = handler->OnMessage(std::move(in_));
    Steps steps;
    {
      MutexLock lock(&mu_);
      in_ = In();
      in_handler_ = false;
      reading_ = false;
      paused_ = !go_on && !resumed_early_ && !cancelled_;
      steps = Next();
    }
    Do(steps);
    return true;
  }

  // Whether an end of reading closes the stream too.
  bool AskHalfClose() {
    std::shared_ptr<StreamHandler<In>> handler;
    {
      MutexLock lock(&mu_);
      if (IsClient() || closing_ || broken_) return false;
      handler = handler_;
    }
    return handler->OnHalfClose();
  }

  void BeginClose(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (closing_) return;
    closing_ = true;
    SetStatus(status);
  }

  void SetStatus(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (closing_status_known_ || cancelled_) return;
    closing_status_known_ = true;
    status_ = status;
  }

  void BreakByPeer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    SetStatus(MakeStatus(absl::StatusCode::kCancelled, "the peer has ended the call"));
    Break();
  }

  void Break() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    broken_ = true;
    queue_.Clear();
  }

  bool IsClient() const {
    return role_ == StreamRole::kClient || role_ == StreamRole::kClientReader;
  }

  bool Over() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (writing_ || reads_starting_ > 0) return false;
    if (IsClient()) return read_ended_;
    return broken_ || (closing_ && queue_.size() == 0);
  }

  bool MayRead() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (reading_ || paused_ || read_ended_) return false;
    return IsClient() || !(closing_ || broken_);
  }

  Steps Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Steps steps;
    if (transport_ == nullptr || finished_) return steps;
    steps.transport = transport_;
    if (MayRead()) {
      steps.read = reading_ = true;
      ++reads_starting_;
    }
    if (!writing_) NextWrite(&steps);
    if (Over()) {
      steps.finish = finished_ = true;
      steps.finish_status = status_;
    }
    return steps;
  }

  void NextWrite(Steps* steps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (broken_) return;
    if (auto message = queue_.Pop()) {
      out_ = *std::move(message);
      steps->write = writing_ = true;
    } else if (closing_ && IsClient() && !half_closed_) {
      steps->half_close = writing_ = half_closed_ = true;
    }
  }

  void Do(Steps steps) {
    while (true) {
      if (steps.read) steps.transport->StartRead(&in_);
      if (steps.write) steps.transport->StartWrite(&out_);
      if (steps.half_close) steps.transport->StartHalfClose();
      if (steps.finish) steps.transport->StartFinish(steps.finish_status);
      if (!steps.read) return;
      MutexLock lock(&mu_);
      --reads_starting_;
      steps = Next();
    }
  }

  const StreamRole role_;
  In in_{};    // gRPC's while reading_, else of the thread that runs OnReadDone
  Out out_{};  // gRPC's while writing_, else guarded by mu_
  Mutex mu_;
  OutQueue<Out> queue_ ABSL_GUARDED_BY(mu_);
  StreamTransport<In, Out>* transport_ ABSL_GUARDED_BY(mu_) = nullptr;  // not owned
  // Shared with whoever else keeps the handler (a table of sessions); let go in OnDone.
  std::shared_ptr<StreamHandler<In>> handler_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  bool closing_status_known_ ABSL_GUARDED_BY(mu_) = false;
  bool reading_ ABSL_GUARDED_BY(mu_) = false;        // a read is in flight or being delivered
  int reads_starting_ ABSL_GUARDED_BY(mu_) = 0;      // reads granted, not yet asked of gRPC
  bool in_handler_ ABSL_GUARDED_BY(mu_) = false;     // OnMessage runs
  bool resumed_early_ ABSL_GUARDED_BY(mu_) = false;  // ResumeReads came while it runs
  bool paused_ ABSL_GUARDED_BY(mu_) = false;
  bool read_ended_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace penstock::rpc
