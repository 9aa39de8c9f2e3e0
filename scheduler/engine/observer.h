#pragma once
// What the engine tells about itself, for metrics. Called on its threads: must be quick.
#include <cstddef>

#include "absl/time/time.h"
#include "common/base/ids.h"
#include "scheduler/core/owner_protocol.h"

namespace penstock::engine {

class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void Flushed(DomainId domain, core::FlushVerdict verdict, size_t rows,
                       absl::Duration took) = 0;
  // A takeover (or a reload, when `reload`) ended; `ok` = it gave the facts.
  virtual void Loaded(DomainId domain, bool reload, bool ok, absl::Duration took) = 0;
  // Attempts have been sent to workers after the commit of a step. `since_event`: since the oldest
  // event that had come for this step (what an edge takes here); `since_decision`: since the step
  // was closed.
  virtual void Assigned(DomainId domain, size_t count, absl::Duration since_event,
                        absl::Duration since_decision) = 0;
};

}  // namespace penstock::engine
