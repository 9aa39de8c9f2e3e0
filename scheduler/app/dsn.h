#pragma once
// Reads connection strings from where they may stand: files and variables.
#include <string>

#include "absl/status/statusor.h"
#include "scheduler/app/config.h"

namespace penstock::app {

struct Dsns {
  std::string main;
  std::string direct;  // "" = the same
};

// INVALID_ARGUMENT says which file or variable is missing or empty. Never shows the contents.
absl::StatusOr<Dsns> ReadDsns(const Config& config);

}  // namespace penstock::app
