#pragma once
// Errors of the engine that its users must tell from errors of the core.
#include "absl/status/status.h"
#include "absl/strings/cord.h"

namespace penstock::engine {

inline constexpr char kNotOwnerPayload[] = "penstock.engine/not-owner";

// This process does not own the domain (any more), or not yet again: look the owner up, and ask
// there. Nothing was done. FAILED_PRECONDITION, marked so that it differs from a command's own
// refusal.
inline absl::Status NotOwner() {
  absl::Status status =
      absl::FailedPreconditionError("this scheduler is not the owner of the domain (any more)");
  status.SetPayload(kNotOwnerPayload, absl::Cord());
  return status;
}

inline bool IsNotOwner(const absl::Status& status) {
  return status.GetPayload(kNotOwnerPayload).has_value();
}

}  // namespace penstock::engine
