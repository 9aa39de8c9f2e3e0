#pragma once
// This scheduler as a member of the fleet: beats, watches the others, owns its share of domains.
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/lease/terms.h"
#include "common/service/executor.h"
#include "common/service/loop_thread.h"
#include "scheduler/core/fleet_judge.h"
#include "scheduler/engine/domain_runner.h"
#include "scheduler/engine/engine.h"
#include "scheduler/store/fleet_store.h"

namespace penstock::engine {

struct FleetOptions {
  std::string name;
  std::string address;       // advertised host:port
  lease::Terms terms;        // as stored; see FleetStore::Prepare
  core::DomainOptions core;  // `terms` is filled in
  int32_t feature_level = 1;
  int flush_threads = 4;
  int read_threads = 4;
  absl::Duration probe_interval = absl::Milliseconds(200);  // of other schedulers' liveness locks
};

// Public functions are thread-safe; nothing but Start and Stop blocks.
class Fleet : public Engine {
 public:
  using DomainStores = std::function<std::unique_ptr<store::DomainStore>(DomainId)>;

  // References outlive this. `store` is used by the fleet's own thread only.
  Fleet(FleetOptions options, const Clock& clock, std::unique_ptr<store::FleetStore> store,
        DomainStores stores, store::Catalog& catalog, SessionHub& hub, InboxDecoder& decoder,
        EngineObserver& observer);
  ~Fleet() override;

  // Registers and starts beating. An error means that the database could not be reached.
  absl::Status Start();
  // Hands the domains over and leaves. At most `patience` for the handing over.
  void Stop(absl::Duration patience);

  // Its own loop and those of its domains have made a pass recently.
  bool Alive() const;
  // For metrics: domains owned here.
  std::vector<DomainId> Owned() const;

  absl::StatusOr<Place> Locate(DomainId domain) const override;
  void Execute(DomainId domain, core::CommandBody command, std::string actor, Done done) override;
  void Read(DomainId domain, std::function<void(const core::Domain&)> read,
            std::function<void(absl::Status)> done) override;
  std::shared_ptr<void> WatchRun(DomainId domain, RunId run,
                                 std::function<void()> changed) override;
  store::FleetView View() const override;
  SchedulerId self() const override { return SchedulerId(self_.load()); }
  void InboxHint(DomainId domain) override;
  bool Ready() const override { return lease_.Holds(clock_.Steady()); }
  absl::Duration SinceBeat() const override;
  void GiveUpWaiting() override;

 private:
  void Loop(service::StopToken token);
  void BeatOnce();
  void Probe();
  void DistrustLocks();
  void Judge(const store::FleetView& view);
  void Publish(const store::FleetView& view, SteadyTime sent);
  void GuardHistory(const store::FleetView& view, const std::map<DomainId, FlushSeq>& known);
  std::map<DomainId, FlushSeq> KnownFlushes() const;
  absl::Status Join();
  DomainRunner& RunnerFor(DomainId domain);
  DomainRunner* FindRunner(DomainId domain) const;

  const FleetOptions options_;
  const Clock& clock_;
  const std::unique_ptr<store::FleetStore> store_;
  const DomainStores stores_;
  store::Catalog& catalog_;
  SessionHub& hub_;
  LeaseClock lease_;
  service::Executor flushes_;
  service::Executor reads_;
  VersionLoader versions_;
  const RunnerLinks links_;
  std::atomic<int64_t> self_{0};
  std::atomic<int64_t> last_pass_us_{0};
  service::LoopThread loop_;

  // Of the fleet's thread:
  std::optional<core::FleetJudge> judge_;
  SteadyTime next_beat_;
  SteadyTime probe_from_;  // before, a free lock proves nothing

  mutable Mutex mu_;
  store::FleetView view_ ABSL_GUARDED_BY(mu_);
  std::map<DomainId, std::unique_ptr<DomainRunner>> runners_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace penstock::engine
