#pragma once
// Who asks, and until when somebody waits for the answer.
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/ids.h"

namespace penstock::api {

// Answers a request; exactly once, from any thread. Dropping the last copy without a call ends the
// request as UNAVAILABLE. The request and response messages live until then.
using Done = std::function<void(const absl::Status&)>;

struct Caller {
  SteadyTime deadline = SteadyTime::Infinite();
  // Passed on by another scheduler: answered here or not at all.
  bool forwarded = false;
  DomainId domain;        // the one that a forwarded request is for
  bool repeated = false;  // forwarded before, perhaps carried out
  std::string actor;      // for the audit log; "" until access control exists
  // Adds trailing metadata to the answer; empty where there is none. Only before Done.
  std::function<void(const std::string& key, const std::string& value)> add_trailer;
};

}  // namespace penstock::api
