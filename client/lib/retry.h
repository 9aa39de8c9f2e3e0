#pragma once
// When a client tries again, and with which scheduler. Pure but for the seed: no clock, no sleep.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"

namespace penstock::client {

// One call's attempts over a list of addresses. Not thread-safe.
class RetryPlan {
 public:
  // Tries addresses [0, count) from `first` on. Gives up `retry_for` after the first failure; 0 =
  // each address once.
  RetryPlan(size_t count, size_t first, absl::Duration retry_for, uint64_t seed);

  // Whom to ask now.
  size_t address() const { return address_; }
  // True while no attempt has failed since the beginning or the last Succeeded().
  bool untroubled() const { return !failing_since_; }
  // An attempt failed. How long to wait before the next one (0 = another address comes first), or
  // nullopt = give up. `hint` is the server's own wish, if it has one.
  std::optional<absl::Duration> Failed(SteadyTime now, std::optional<absl::Duration> hint);
  // An attempt went well, and from now on `retry_for` counts: the budget begins anew.
  void Succeeded(absl::Duration retry_for);

 private:
  const size_t count_;
  absl::Duration retry_for_;
  size_t address_;
  size_t failures_ = 0;  // since the last success
  std::optional<SteadyTime> failing_since_;
  Backoff backoff_;
};

// Whether the same request may go out again: nobody was there, or the server asks for patience.
// CANCELLED, of a call that this side has not cancelled, is how gRPC ends what reaches a server
// that is shutting down.
bool IsRetryable(const absl::Status& status);

// gRPC's texts about connections, cut down to what people need: "Connection refused".
std::string PlainReason(const absl::Status& status);

}  // namespace penstock::client
