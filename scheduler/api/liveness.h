#pragma once
// Which schedulers still beat, for people to see. Decides nothing.
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "scheduler/store/fleet_store.h"

namespace penstock::api {

// Thread-safe.
class Liveness {
 public:
  // A scheduler whose beat has not changed for `term` counts as dead.
  Liveness(const Clock& clock, absl::Duration term) : clock_(clock), term_(term) {}
  void Observe(const store::FleetView& fleet) ABSL_LOCKS_EXCLUDED(mu_);
  bool IsAlive(SchedulerId id) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Seen {
    int64_t beat = 0;
    SteadyTime changed;
  };
  const Clock& clock_;
  const absl::Duration term_;
  mutable Mutex mu_;
  absl::flat_hash_map<SchedulerId, Seen> seen_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::api
