#include "common/rpc/unary.h"

#include <atomic>
#include <chrono>
#include <utility>

#include "common/base/status.h"
#include "common/rpc/status.h"

namespace penstock::rpc {
namespace {

absl::Status QueueFull() {
  absl::Status status = MakeStatus(absl::StatusCode::kResourceExhausted,
                                   "the server is busy: its request queue is full; try again");
  SetRetryAfter(&status, absl::Milliseconds(200));
  return status;
}

}  // namespace

class UnaryCall::State {
 public:
  explicit State(grpc::CallbackServerContext* context)
      : context_(context), reactor_(context->DefaultReactor()) {}

  ~State() {
    Finish(MakeStatus(absl::StatusCode::kUnavailable, "the server is shutting down; try again"));
  }

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  void Finish(const absl::Status& status) {
    if (!finished_.exchange(true)) reactor_->Finish(ToGrpc(status));
  }

  absl::Status StillWanted() const {
    if (finished_) return absl::OkStatus();
    if (context_->deadline() < std::chrono::system_clock::now()) {
      return MakeStatus(absl::StatusCode::kDeadlineExceeded, "the call's deadline has passed");
    }
    if (context_->IsCancelled()) {
      return MakeStatus(absl::StatusCode::kCancelled, "the client has cancelled the call");
    }
    return absl::OkStatus();
  }

 private:
  grpc::CallbackServerContext* const context_;  // gRPC's; valid until Finish
  grpc::ServerUnaryReactor* const reactor_;     // gRPC's; valid until Finish
  std::atomic<bool> finished_{false};
};

UnaryCall::UnaryCall(grpc::CallbackServerContext* context)
    : state_(std::make_shared<State>(context)) {}

grpc::ServerUnaryReactor* UnaryCall::reactor() const { return state_->reactor(); }

void UnaryCall::Finish(const absl::Status& status) const { state_->Finish(status); }

absl::Status UnaryCall::StillWanted() const { return state_->StillWanted(); }

grpc::ServerUnaryReactor* RunUnary(grpc::CallbackServerContext* context,
                                   service::Executor& executor, std::function<absl::Status()> fn) {
  return RunUnaryLater(context, executor,
                       [fn = std::move(fn)](const UnaryCall& call) { call.Finish(fn()); });
}

grpc::ServerUnaryReactor* RunUnaryLater(grpc::CallbackServerContext* context,
                                        service::Executor& executor,
                                        std::function<void(UnaryCall)> fn) {
  const UnaryCall call(context);
  grpc::ServerUnaryReactor* const reactor = call.reactor();
  const bool queued = executor.TryPost([call, fn = std::move(fn)] {
    const absl::Status wanted = call.StillWanted();
    if (!wanted.ok()) return call.Finish(wanted);
    fn(call);
  });
  if (!queued) call.Finish(QueueFull());
  return reactor;
}

}  // namespace penstock::rpc
