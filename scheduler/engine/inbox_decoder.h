#pragma once
// How an owner understands the rows of its durable inbox: requests that were written down instead
// of being asked. The rows hold the API's requests, so the API layer implements this.
#include "absl/status/statusor.h"
#include "scheduler/core/events.h"
#include "scheduler/store/catalog.h"

namespace penstock::engine {

// One caller at a time per object; may block (it reads the catalog), so never call it on a thread
// that renews leases.
class InboxDecoder {
 public:
  virtual ~InboxDecoder() = default;

  // The command that the row asks for. Errors say what becomes of the row:
  //   ALREADY_EXISTS       it has happened before (same idempotency key): consume it, do nothing;
  //   UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, ABORTED   a passing fault: keep it and
  //                        ask again later;
  //   anything else        it can never be applied: consume it and log the reason.
  virtual absl::StatusOr<core::CommandBody> Decode(const store::InboxRow& row) = 0;
};

}  // namespace penstock::engine
