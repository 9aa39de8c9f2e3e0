#pragma once
// The one place where texts cross between absl::Status (absl::string_view) and std::string_view.
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace penstock {

// The status' text. Valid while `status` lives.
inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

inline absl::Status MakeStatus(absl::StatusCode code, std::string_view text) {
  return absl::Status(code, absl::string_view(text.data(), text.size()));
}

// The same code with "context: " before the text. OK stays OK.
inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return MakeStatus(status.code(), std::string(context) + ": " + std::string(Message(status)));
}

}  // namespace penstock
