#pragma once
// Faults at random, one after the other and at the same time, from a seed.
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "tests/chaos/fleet.h"

namespace penstock::chaos {

// What a fault does. `begin` and `end` are called on the thread that steps the storm.
struct Fault {
  std::string name;    // "kill scheduler 2"
  std::string target;  // one fault at a time for each
  absl::Duration length;
  std::function<void()> begin;
  std::function<void()> end;
};

// Starts a fault every few seconds and ends those whose time is over. Not thread-safe.
class FaultStorm {
 public:
  // `tell` gets a line for each begin and end. `pause`: between two begins, on average. The fleet
  // outlives this.
  FaultStorm(Fleet& fleet, uint64_t seed, absl::Duration pause, const Clock& clock,
             std::function<void(const std::string&)> tell);
  void Step();
  // Ends what goes on.
  void Calm();
  int count() const { return count_; }

 private:
  struct Active {
    Fault fault;
    SteadyTime until;
  };
  Fault Pick();
  Fault OfScheduler(size_t which);
  Fault OfWorker(size_t which);
  Fault OfNetwork(size_t scheduler);                  // by a proxy
  Fault OfMachines(size_t scheduler, size_t worker);  // packets are lost
  Fault OfDatabase();
  absl::Duration Between(absl::Duration least, absl::Duration most);
  void End(Active& active);

  Fleet& fleet_;
  SplitMix64 random_;
  const absl::Duration pause_;
  const Clock& clock_;
  const std::function<void(const std::string&)> tell_;
  SteadyTime next_;
  std::vector<Active> active_;
  int count_ = 0;
};

}  // namespace penstock::chaos
