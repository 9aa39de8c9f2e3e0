#include "scheduler/api/method_table.h"

#include <fmt/format.h>

#include "common/base/status.h"
#include "scheduler/engine/errors.h"

namespace penstock::api {

void MethodTable::Run(peer::PassedRequest request, std::function<void(peer::PassedAnswer)> done) {
  const auto method = methods_.find(request.method);
  if (method == methods_.end()) {
    return done({false, false,
                 MakeStatus(absl::StatusCode::kUnimplemented,
                            fmt::format("{} cannot be forwarded", request.method)),
                 ""});
  }
  Caller caller;
  caller.deadline = clock_.Steady() + request.time_left;
  caller.forwarded = true;
  caller.domain = request.domain;
  caller.repeated = request.repeated;
  method->second(
      caller, request.request,
      [done = std::move(done)](const absl::Status& status, std::string response) {
        done({engine::IsNotOwner(status), engine::IsInDoubt(status), status, std::move(response)});
      });
}

}  // namespace penstock::api
