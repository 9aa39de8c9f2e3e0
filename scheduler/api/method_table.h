#pragma once
// The requests that one scheduler may pass on to another, by name.
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "scheduler/api/caller.h"
#include "scheduler/peer/service.h"

namespace penstock::api {

// Filled once, then immutable and thread-safe.
class MethodTable final : public peer::RequestRunner {
 public:
  explicit MethodTable(const Clock& clock) : clock_(clock) {}

  // `handler` and its object outlive the table's use.
  template <typename Handlers, typename Request, typename Response>
  void Add(const std::string& method, Handlers* handlers,
           void (Handlers::*handler)(const Caller&, const Request&, Response*, Done)) {
    methods_[method] = [handlers, handler](const Caller& caller, const std::string& bytes,
                                           Answer answer) {
      struct State {
        Request request;
        Response response;
      };
      auto state = std::make_shared<State>();  // kept until the answer
      if (!state->request.ParseFromString(bytes)) {
        return answer(absl::InvalidArgumentError("the forwarded request could not be read"), "");
      }
      (handlers->*handler)(caller, state->request, &state->response,
                           [state, answer = std::move(answer)](const absl::Status& status) {
                             answer(status, status.ok() ? state->response.SerializeAsString() : "");
                           });
    };
  }

  void Run(peer::PassedRequest request, std::function<void(peer::PassedAnswer)> done) override;

 private:
  using Answer = std::function<void(const absl::Status&, std::string)>;
  using Method = std::function<void(const Caller&, const std::string&, Answer)>;
  const Clock& clock_;
  absl::flat_hash_map<std::string, Method> methods_;
};

}  // namespace penstock::api
