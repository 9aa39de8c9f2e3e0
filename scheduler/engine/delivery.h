#pragma once
// Sends what a commit released to the sessions: one mail per session and binding.
#include <functional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/service/executor.h"
#include "scheduler/core/events.h"
#include "scheduler/engine/session_hub.h"
#include "scheduler/store/catalog.h"

namespace penstock::engine {

// Not thread-safe: called with the domain's turn. `reads` and the rest outlive it.
class Delivery {
 public:
  Delivery(DomainId domain, SessionHub& hub, store::Catalog& catalog, service::Executor& reads)
      : domain_(domain), hub_(hub), catalog_(catalog), reads_(reads) {}

  // Sends acknowledgements, revokes, assignments, credits and endings. Assignments that carry
  // outputs of upstream tasks follow when these have been read.
  void Send(core::Effects& effects);

 private:
  void SendWithOutputs(std::vector<core::Assign> assigns);

  const DomainId domain_;
  SessionHub& hub_;
  store::Catalog& catalog_;
  service::Executor& reads_;
};

}  // namespace penstock::engine
