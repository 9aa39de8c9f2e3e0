#pragma once
// Reading a server's stream with a bounded wait, so that one thread can also draw, and look whether
// it is to stop. A stream that breaks is opened again, on another scheduler if there is one.
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/lib/errors.h"
#include "client/lib/retry.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/rpc/status.h"
#include "penstock/v1/control.grpc.pb.h"

namespace penstock::client {

enum class StreamEvent {
  kMessage,       // *out is set
  kWaiting,       // nothing came
  kReconnecting,  // the stream broke; reason() says why; Next() goes on trying
  kEnd,           // status() tells how
};

// One call. Not thread-safe.
template <typename Response>
class OneStream {
 public:
  using Reader = grpc::ClientAsyncReader<Response>;
  using Prepare =
      std::function<std::unique_ptr<Reader>(grpc::ClientContext*, grpc::CompletionQueue*)>;

  explicit OneStream(const Prepare& prepare) : reader_(prepare(&context_, &queue_)) {
    reader_->StartCall(Tag(kStart));
  }
  ~OneStream() {
    context_.TryCancel();
    if (!finishing_) reader_->Finish(&end_, Tag(kFinish));
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  OneStream(const OneStream&) = delete;
  OneStream& operator=(const OneStream&) = delete;

  // Waits at most `wait` for a message. kEnd is final. Never kReconnecting.
  StreamEvent Next(absl::Duration wait, Response* out) {
    const auto deadline = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(wait);
    for (;;) {
      void* tag = nullptr;
      bool ok = false;
      if (ended_) return StreamEvent::kEnd;
      if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) {
        return StreamEvent::kWaiting;
      }
      if (Handle(*static_cast<const Step*>(tag), ok)) {
        *out = std::move(message_);
        message_.Clear();
        reader_->Read(&message_, Tag(kRead));
        return StreamEvent::kMessage;
      }
    }
  }

  // Once ended.
  absl::Status status() const { return rpc::FromGrpc(end_); }

 private:
  enum Step { kStart, kRead, kFinish };
  // gRPC hands back the address of the step that it has done.
  void* Tag(Step step) { return &steps_[step]; }

  // True when a message has come.
  bool Handle(Step step, bool ok) {
    if (step == kFinish) {
      ended_ = true;
    } else if (!ok) {
      finishing_ = true;
      reader_->Finish(&end_, Tag(kFinish));
    } else if (step == kStart) {
      reader_->Read(&message_, Tag(kRead));
    } else {
      return true;
    }
    return false;
  }

  Step steps_[3] = {kStart, kRead, kFinish};
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<Reader> reader_;
  Response message_;  // gRPC's while a read is in flight
  grpc::Status end_;
  bool finishing_ = false;
  bool ended_ = false;
};

struct StreamOptions {
  std::vector<std::shared_ptr<v1::ControlService::Stub>> stubs;  // one per address
  size_t first = 0;
  absl::Duration retry_for;   // before the first message
  absl::Duration resume_for;  // after one
  const Clock* clock = nullptr;
};

// A sequence of calls that looks like one. Not thread-safe; the destructor cancels what is open.
template <typename Response>
class ServerStream {
 public:
  // Prepares a call on a stub; asked again for each new call, so it can say where to resume.
  using Prepare = std::function<std::unique_ptr<grpc::ClientAsyncReader<Response>>(
      v1::ControlService::Stub&, grpc::ClientContext*, grpc::CompletionQueue*)>;
  // Sees each message before the caller does.
  using Observe = std::function<void(const Response&)>;

  ServerStream(StreamOptions options, Prepare prepare, Observe observe)
      : options_(std::move(options)),
        prepare_(std::move(prepare)),
        observe_(std::move(observe)),
        plan_(options_.stubs.size(), options_.first, options_.retry_for,
              static_cast<uint64_t>(RandomId())) {}

  // Waits about `wait` for something to happen.
  StreamEvent Next(absl::Duration wait, Response* out) {
    const SteadyTime now = options_.clock->Steady();
    if (call_ == nullptr) {
      if (now < open_at_) {
        absl::SleepFor(std::min(wait, open_at_ - now));
        return StreamEvent::kWaiting;
      }
      Open();
    }
    const StreamEvent event = call_->Next(wait, out);
    if (event == StreamEvent::kMessage) Delivered(*out);
    return event == StreamEvent::kEnd ? Ended() : event;
  }

  // How it ended; after kEnd. Errors are MarkRemote()d.
  const absl::Status& status() const { return status_; }
  // Why it broke; after kReconnecting.
  const std::string& reason() const { return reason_; }

 private:
  void Open() {
    call_ = std::make_unique<OneStream<Response>>(
        [this](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
          return prepare_(*options_.stubs[plan_.address()], context, queue);
        });
  }

  void Delivered(const Response& message) {
    plan_.Succeeded(options_.resume_for);
    if (observe_) observe_(message);
  }

  StreamEvent Ended() {
    const absl::Status status = call_->status();
    call_.reset();
    status_ = MarkRemote(status);
    if (!IsRetryable(status)) return StreamEvent::kEnd;
    const SteadyTime now = options_.clock->Steady();
    const auto pause = plan_.Failed(now, rpc::RetryAfter(status));
    if (!pause) return StreamEvent::kEnd;
    reason_ = PlainReason(status);
    open_at_ = now + *pause;
    return StreamEvent::kReconnecting;
  }

  const StreamOptions options_;
  const Prepare prepare_;
  const Observe observe_;
  RetryPlan plan_;
  std::unique_ptr<OneStream<Response>> call_;  // null = between calls
  SteadyTime open_at_;
  absl::Status status_;
  std::string reason_;
};

}  // namespace penstock::client
