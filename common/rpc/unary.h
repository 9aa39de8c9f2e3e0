#pragma once
// Unary handlers that queue their work and return: gRPC's few threads never block.
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "common/service/executor.h"

namespace penstock::rpc {

// The duty to answer one unary call, later and from any thread. Copies share the duty; one thread
// at a time uses them. The call's request and response live until Finish. When the last copy goes
// without Finish (its queue was dropped at shutdown), the call ends as UNAVAILABLE.
class UnaryCall {
 public:
  // Takes the duty; `reactor()` is what the handler must return to gRPC.
  explicit UnaryCall(grpc::CallbackServerContext* context);

  grpc::ServerUnaryReactor* reactor() const;
  // Answers. Only the first call counts.
  void Finish(const absl::Status& status) const;
  // OK, or why nobody waits for the answer any more (CANCELLED, DEADLINE_EXCEEDED). OK after
  // Finish.
  absl::Status StillWanted() const;

 private:
  class State;
  std::shared_ptr<State> state_;  // the copies' common state
};

// Runs `fn` on `executor` and answers with what it returns. If the queue is full the call ends as
// RESOURCE_EXHAUSTED with a retry hint; if the client has gone when its turn comes, `fn` does not
// run.
grpc::ServerUnaryReactor* RunUnary(grpc::CallbackServerContext* context,
                                   service::Executor& executor, std::function<absl::Status()> fn);

// The same for work that ends later: `fn` keeps or passes on the UnaryCall and returns at once.
grpc::ServerUnaryReactor* RunUnaryLater(grpc::CallbackServerContext* context,
                                        service::Executor& executor,
                                        std::function<void(UnaryCall)> fn);

}  // namespace penstock::rpc
