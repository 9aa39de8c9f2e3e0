#pragma once
// Errors of the engine that its users must tell from errors of the core.
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "common/base/status.h"

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

inline constexpr char kInDoubtPayload[] = "penstock.engine/in-doubt";

// Whether the command took effect is not known; it may still do so. UNAVAILABLE, marked so that it
// differs from what may simply be repeated.
inline absl::Status InDoubt(std::string_view why) {
  absl::Status status = MakeStatus(absl::StatusCode::kUnavailable, why);
  status.SetPayload(kInDoubtPayload, absl::Cord());
  return status;
}

inline bool IsInDoubt(const absl::Status& status) {
  return status.GetPayload(kInDoubtPayload).has_value();
}

}  // namespace penstock::engine
