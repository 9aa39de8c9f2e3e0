#pragma once
// Who is alive, and which domains this scheduler should take or hand over. Pure: judged from what
// this process has itself seen, on its own steady clock.
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/ids.h"

namespace penstock::core {

struct SchedulerSeen {
  SchedulerId id;
  int64_t beat = 0;
  int32_t feature_level = 0;
};
struct DomainSeen {
  DomainId id;
  Epoch epoch;
  SchedulerId owner;
  int32_t feature_level = 1;
};

// A scheduler that has beaten fewer than twice is given nothing while an older one lives: workers
// have yet to find it. Not thread-safe.
class FleetJudge {
 public:
  struct Options {
    SchedulerId self;
    int32_t feature_level = 1;
    absl::Duration domain_term;
    // How long the scheduler that should take a domain is given before any other one takes it.
    absl::Duration courtesy = absl::Milliseconds(400);
  };
  struct Verdict {
    std::vector<DomainId> take;
    std::vector<DomainId> hand_over;  // the fleet is uneven: others have fewer
    std::vector<SchedulerId> dead;    // with nothing left to own: their rows can go
  };

  explicit FleetJudge(Options options) : options_(options) {}

  // Its liveness lock was found free: dead for certain.
  void ProvenDead(SchedulerId id) { proven_dead_.insert(id); }
  // A beat that has not changed for a domain term (as seen here) means dead.
  Verdict Judge(const std::vector<SchedulerSeen>& schedulers,
                const std::vector<DomainSeen>& domains, SteadyTime now);
  bool Alive(SchedulerId id, SteadyTime now) const;

 private:
  struct Beat {
    int64_t value = -1;
    SteadyTime changed;
  };
  void Note(const std::vector<SchedulerSeen>& schedulers, SteadyTime now);

  const Options options_;
  absl::flat_hash_map<SchedulerId, Beat> beats_;
  absl::flat_hash_set<SchedulerId> proven_dead_;
  absl::flat_hash_map<DomainId, SteadyTime> ownerless_since_;
};

}  // namespace penstock::core
