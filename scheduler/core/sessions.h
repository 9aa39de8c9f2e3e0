#pragma once
// Worker sessions as a domain knows them: credits, capacity, leases held, and how long they are
// trusted. Pure bookkeeping; who is lost is decided here, what follows from it in Domain.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "common/base/clock.h"
#include "common/dag/spec.h"
#include "scheduler/core/events.h"
#include "scheduler/core/facts.h"
#include "scheduler/core/version.h"

namespace penstock::core {

// What an instance asks of a session.
struct Demand {
  std::string queue;
  absl::btree_map<std::string, std::string> labels;
  dag::Resources resources;
  bool has_resources() const {
    return resources.cpu_millis > 0 || resources.memory_bytes > 0 || !resources.custom.empty();
  }
};

struct Session {
  SessionInfo info;
  BindingId binding;  // 0 = not bound: has not said hello to this owner
  int32_t credits = 0;
  bool draining = false;
  bool shared = false;
  bool lost = false;         // given up; stays until its last lease has been taken back
  SteadyTime trusted_until;  // lost from then on, connected or not
  absl::btree_set<TaskKey> leases;
  int64_t used_cpu_millis = 0;
  int64_t used_memory_bytes = 0;
  std::map<std::string, int64_t> used_custom;
  std::optional<ClassId> reserved_for;  // one large task waits for this session to empty
  int32_t wished = 0;                   // last wish sent to it

  bool usable() const { return static_cast<bool>(binding) && !draining && !lost; }
  bool Serves(const Demand& demand) const;       // queue and labels
  bool LargeEnough(const Demand& demand) const;  // when empty
  bool Fits(const Demand& demand) const;         // now; credits not looked at
};

// Not thread-safe; part of a Domain. Pointers to sessions are stable until Remove.
class SessionTable {
 public:
  Session& Add(const SessionInfo& info);
  Session* Find(SessionId id);
  const Session* Find(SessionId id) const;
  void Remove(SessionId id);
  // Ids are random and never come back to life: a hello of one that has ended was on its way when
  // it did. The latest few thousand are remembered.
  void Ended(SessionId id);
  bool HasEnded(SessionId id) const { return ended_.contains(id); }
  // Oldest first.
  const std::deque<SessionId>& ended() const { return ended_order_; }
  const absl::btree_map<SessionId, std::unique_ptr<Session>>& all() const { return sessions_; }

  // A usable session with a credit that serves and fits, taking turns; those reserved for another
  // class are left out. Null when there is none.
  Session* Choose(ClassId cls, const Demand& demand);
  // Reserves one large enough session for the class unless it has one. False when none exists.
  bool Reserve(ClassId cls, const Demand& demand);
  void Unreserve(ClassId cls);

  void AddCredits(Session& session, int32_t credits);
  void Charge(Session& session, const Demand& demand);
  void Release(Session& session, const Demand& demand);

  // Grows whenever room may have appeared somewhere. Never 0.
  uint64_t generation() const { return generation_; }
  void Changed() { ++generation_; }

  // Sessions whose trust has run out by `now`.
  std::vector<SessionId> Lost(SteadyTime now) const;

 private:
  absl::btree_map<SessionId, std::unique_ptr<Session>> sessions_;
  absl::flat_hash_set<SessionId> ended_;
  std::deque<SessionId> ended_order_;
  SessionId last_chosen_;
  uint64_t generation_ = 1;
};

}  // namespace penstock::core
