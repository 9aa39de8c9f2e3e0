#pragma once
// The way to the database: latency, broken connections, restarts, answers that are lost although
// the commit happened.
#include <functional>

#include "absl/status/statusor.h"
#include "scheduler/core/fleet_judge.h"
#include "scheduler/sim/world.h"

namespace penstock::sim {

// One database connection of one scheduler. `cut` = the network to the database is gone.
struct Connection {
  bool cut = false;
  bool dead = false;  // its process is
  int64_t life = 0;   // grows when the connection breaks: later effects of old calls vanish
};

class Database {
 public:
  explicit Database(World& world) : world_(world) {}

  using OnFlush = std::function<void(core::FlushResult)>;
  using OnLoad = std::function<void(absl::StatusOr<core::LoadResult>)>;
  void Flush(Connection* c, Epoch epoch, FlushSeq seq, const core::FlushBatch& batch, OnFlush done);
  void TakeOver(Connection* c, SchedulerId self, const core::OwnerProtocol::TakeOver& request,
                OnLoad done);
  void Reload(Connection* c, const core::OwnerProtocol::Reload& request, OnLoad done);
  // Anything else: `work` happens at the database, `done(ok)` when the answer is back.
  void Call(Connection* c, std::function<void()> work, std::function<void(bool)> done);

  // ---- Fleet rows ----
  struct SchedulerState {
    SchedulerId id;
    int64_t beat = 0;
    const Connection* lock = nullptr;  // who holds the liveness lock
  };
  std::vector<SchedulerState> rows;

  // ---- Faults ----
  void Crash(int64_t down_us);  // all calls in flight are decided by a coin
  bool down() const { return down_; }

 private:
  int64_t Latency() { return world_.Micros(100, 1200); }
  bool Reachable(const Connection* c) const { return !down_ && !c->cut && !c->dead; }

  World& world_;
  bool down_ = false;
  int64_t life_ = 0;
  int64_t pending_until_ = 0;  // the latest moment at which a sent flush may take effect
};

}  // namespace penstock::sim
