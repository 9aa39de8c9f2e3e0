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
  virtual void Assigned(DomainId domain, size_t count) = 0;
};

}  // namespace penstock::engine
