#pragma once
// What the API tells about itself, for metrics. Called on its threads: must be quick.
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace penstock::api {

class ApiObserver {
 public:
  virtual ~ApiObserver() = default;
  // A request was answered; `method` is a constant such as "CreateRun".
  virtual void Answered(std::string_view method, absl::StatusCode code, absl::Duration took) = 0;
  // A stream began (+1) or ended (-1).
  virtual void StreamOpen(std::string_view method, int change) = 0;
};

}  // namespace penstock::api
