#pragma once
// The thread around one domain: gathers events, lets the owner protocol decide, carries out its
// requests on the database executor, and acts on what has been committed. No decision is made here.
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "common/base/mutex.h"
#include "common/service/executor.h"
#include "common/service/loop_thread.h"
#include "scheduler/core/owner_protocol.h"
#include "scheduler/engine/delivery.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/inbox_decoder.h"
#include "scheduler/engine/lease_clock.h"
#include "scheduler/engine/observer.h"
#include "scheduler/engine/session_hub.h"
#include "scheduler/engine/version_loader.h"
#include "scheduler/engine/watches.h"
#include "scheduler/store/catalog.h"
#include "scheduler/store/domain_store.h"

namespace penstock::engine {

// What all runners of a process share. Everything outlives the runners.
struct RunnerLinks {
  const Clock& clock;
  store::Catalog& catalog;
  VersionLoader& versions;
  SessionHub& hub;
  InboxDecoder& decoder;
  EngineObserver& observer;
  service::Executor& flushes;  // one job per domain at a time
  service::Executor& reads;    // outputs, inboxes, versions
};

// Public functions are thread-safe.
class DomainRunner : public DomainInbox {
 public:
  DomainRunner(core::OwnerProtocol::Options options, std::unique_ptr<store::DomainStore> store,
               const RunnerLinks& links);
  ~DomainRunner() override;

  void Start();
  // Lets go first (bounded by `patience`), then ends the thread. Pending commands are answered.
  void Stop(absl::Duration patience);

  // The domain's row as a beat sent at `sent` found it.
  void Observe(Epoch epoch, SchedulerId owner, SchedulerId self, SteadyTime sent,
               absl::Duration term);
  void Take(SchedulerId self);
  void HandOver();

  void Execute(core::CommandBody body, std::string actor, Engine::Done done);
  void Read(std::function<void(const core::Domain&)> read, std::function<void(absl::Status)> done);
  std::shared_ptr<void> Watch(RunId run, std::function<void()> changed);
  void InboxHint();

  void Post(core::Event event) override;
  void Post(std::vector<core::Event> events) override;
  bool LeaseHolds(SteadyTime now) const override;

  bool owner() const { return owner_.load(); }
  // The highest flush_seq of the domain that this process knows to be committed.
  FlushSeq observed_flush_seq() const { return FlushSeq(flush_seq_.load()); }
  // The database has lost commits: what it has is what is known from now on.
  void ForgetFlushesAbove(FlushSeq seq) { flush_seq_.store(seq.value()); }
  // When the loop last made a pass.
  SteadyTime last_pass() const { return SteadyTime::FromMicros(last_pass_us_.load()); }

 private:
  struct PendingRead {
    std::function<void(absl::Status)> done;
    uint64_t mark = 0;
    int64_t generation = 0;
  };

  struct Step {
    SteadyTime waits_since;  // its oldest event came
    SteadyTime began;
  };

  void Call(std::function<void()> fn);  // on the loop's thread, soon
  void Loop(service::StopToken token);
  void Pass();
  absl::Duration UntilNext(SteadyTime watches) const;
  void TakeIn();
  void OfferCommand(core::Command command, Engine::Done done);
  void DoRead(const std::function<void(const core::Domain&)>& read,
              std::function<void(absl::Status)> done);
  void Carry(core::OwnerProtocol::Request request);
  void Carry(const core::OwnerProtocol::TakeOver& request);
  void Carry(const core::OwnerProtocol::Reload& request);
  void Carry(const core::OwnerProtocol::Flush& request);
  void Carry(const core::OwnerProtocol::TakeIds& request);
  void Carry(const core::OwnerProtocol::Release& request);
  void OnLoaded(bool reload, SteadyTime began, absl::StatusOr<core::LoadResult> result,
                core::VersionMap versions);
  // Runs `job` on the flush executor; when that has stopped, at once on this thread.
  void OnDatabase(std::function<void()> job);
  void LoadVersions();
  void Act(core::Effects effects);
  void FollowOwnership();
  void FinishReads();
  void PollInbox(SteadyTime now);
  void OfferInbox(std::vector<store::InboxRow> rows);

  const DomainId domain_;
  const RunnerLinks links_;
  const std::unique_ptr<store::DomainStore> store_;  // used by one job at a time
  service::LoopThread loop_;
  LeaseClock lease_;
  std::atomic<bool> owner_{false};
  std::atomic<int64_t> flush_seq_{0};
  std::atomic<int64_t> last_pass_us_{0};
  Watches watches_;

  Mutex mu_;
  std::vector<core::Event> events_ ABSL_GUARDED_BY(mu_);
  std::vector<std::function<void()>> calls_ ABSL_GUARDED_BY(mu_);

  // Of the loop's thread:
  core::OwnerProtocol protocol_;
  Delivery delivery_;
  SchedulerId self_;
  std::map<core::CommandId, Engine::Done> waiting_;
  std::vector<PendingRead> reads_;
  absl::flat_hash_set<int64_t> inbox_offered_;
  absl::flat_hash_set<VersionId> loading_versions_;
  // For the observer: when the oldest event or command came that no step holds yet; the step under
  // way, and the one whose effects are due.
  SteadyTime waits_since_ = SteadyTime::Infinite();
  bool step_open_ = false;
  Step step_, committed_step_;
  SteadyTime next_inbox_;
  bool inbox_busy_ = false;
  int64_t next_command_ = 1;
  int64_t generation_ = 0;
  Epoch registered_;
};

}  // namespace penstock::engine
