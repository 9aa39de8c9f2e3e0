#pragma once
// What carries one domain: gathers events, lets the owner protocol decide, carries out its requests
// on the database executor, and acts on what has been committed. No decision is made here.
//
// Whoever holds the turn makes a pass: takes in what came, decides, acts. The domain's own thread
// does so when a timer is due and while a statement is under way. A database thread does so with
// the answer that it brings, and then runs the statement which the pass asks for; one that is free
// also does when news comes to a domain at rest. So a step needs no hand-over between threads, and
// the next flush follows the last one at once, while nothing but a pass ever waits for a pass.
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
#include "scheduler/engine/poll_pace.h"
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
  void Recheck();
  void HandOver();

  void Execute(core::CommandBody body, std::string actor, Engine::Done done);
  void Read(std::function<void(const core::Domain&)> read, std::function<void(absl::Status)> done);
  std::shared_ptr<void> Watch(RunId run, std::function<void()> changed);
  void InboxHint();
  // See Engine::GiveUpWaiting.
  void GiveUpWaiting();

  void Post(core::Event event) override;
  void Post(std::vector<core::Event> events) override;
  bool LeaseHolds(SteadyTime now) const override;

  bool owner() const { return owner_.load(); }
  // The highest flush_seq of the domain that this process knows to be committed.
  FlushSeq observed_flush_seq() const { return FlushSeq(flush_seq_.load()); }
  // When a pass was last made: the domain's own thread makes one at least every second.
  SteadyTime last_pass() const { return SteadyTime::FromMicros(last_pass_us_.load()); }

 private:
  // With the turn, on whichever thread.
  using Call = std::function<void()>;
  // On a database thread, without the turn; what it returns is called with the turn.
  using Statement = std::function<Call()>;

  struct PendingRead {
    std::function<void(absl::Status)> done;
    uint64_t mark = 0;
    int64_t generation = 0;
  };

  struct Step {
    SteadyTime waits_since;  // its oldest event came
    SteadyTime began;
  };

  // ---- Whose turn it is ----
  void Soon(Call call) ABSL_LOCKS_EXCLUDED(mu_);
  void News();
  void Loop(service::StopToken token) ABSL_LOCKS_EXCLUDED(turn_);
  void End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  absl::Duration UntilDue() ABSL_LOCKS_EXCLUDED(turn_);
  SteadyTime Due() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  // Makes a pass after `first`. Returns the statement that is to be run, or null.
  Statement TakeTurn(const Call& first) ABSL_LOCKS_EXCLUDED(turn_);
  Statement Pass() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  // Runs `statement` and those that follow from it.
  void RunStatements(Statement statement) ABSL_LOCKS_EXCLUDED(turn_);
  // The same on the database executor. False, with the statement as it was, when that takes no
  // more.
  bool PostStatement(Statement* statement);

  void TakeIn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) ABSL_LOCKS_EXCLUDED(mu_);
  void OfferCommand(core::Command command, Engine::Done done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void DoRead(const std::function<void(const core::Domain&)>& read,
              std::function<void(absl::Status)> done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void AnswerWaiting(std::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void FinishReads() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  // ---- Requests of the protocol ----
  Statement Carry(const core::OwnerProtocol::TakeOver& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  Statement Carry(const core::OwnerProtocol::Reload& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  Statement Carry(const core::OwnerProtocol::Flush& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  Statement Carry(const core::OwnerProtocol::TakeIds& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  Statement Carry(const core::OwnerProtocol::Release& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  Statement Carry(const core::OwnerProtocol::Note& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  Call Loaded(bool reload, SteadyTime began, absl::StatusOr<core::LoadResult> result);
  void LoadVersions() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  // ---- After a commit ----
  void Act(core::Effects effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void FollowOwnership() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  void PollInbox(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);
  void OfferInbox(std::vector<store::InboxRow> rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_);

  const DomainId domain_;
  const RunnerLinks links_;
  const std::unique_ptr<store::DomainStore> store_;  // used by one statement at a time
  service::LoopThread loop_;
  LeaseClock lease_;
  std::atomic<bool> owner_{false};
  std::atomic<int64_t> flush_seq_{0};
  std::atomic<int64_t> last_pass_us_{0};
  std::atomic<bool> on_database_{false};  // a statement is under way
  std::atomic<bool> called_{false};       // a database thread has been called to a pass
  Watches watches_;

  Mutex mu_;  // taken with the turn or without it
  std::vector<core::Event> events_ ABSL_GUARDED_BY(mu_);
  std::vector<Call> calls_ ABSL_GUARDED_BY(mu_);

  Mutex turn_;
  bool ended_ ABSL_GUARDED_BY(turn_) = false;
  SteadyTime loop_due_ ABSL_GUARDED_BY(turn_);  // when the domain's own thread will look again
  core::OwnerProtocol protocol_ ABSL_GUARDED_BY(turn_);
  Delivery delivery_ ABSL_GUARDED_BY(turn_);
  SchedulerId self_ ABSL_GUARDED_BY(turn_);
  std::vector<core::Effects> undelivered_ ABSL_GUARDED_BY(turn_);  // come first in the next pass
  std::map<core::CommandId, Engine::Done> waiting_ ABSL_GUARDED_BY(turn_);
  std::vector<PendingRead> reads_ ABSL_GUARDED_BY(turn_);
  absl::flat_hash_set<int64_t> inbox_offered_ ABSL_GUARDED_BY(turn_);
  absl::flat_hash_set<VersionId> loading_versions_ ABSL_GUARDED_BY(turn_);
  // For the observer: when the oldest event or command came that no step holds yet; the step under
  // way, and the one whose effects are due.
  SteadyTime waits_since_ ABSL_GUARDED_BY(turn_) = SteadyTime::Infinite();
  bool step_open_ ABSL_GUARDED_BY(turn_) = false;
  Step step_ ABSL_GUARDED_BY(turn_), committed_step_ ABSL_GUARDED_BY(turn_);
  PollPace inbox_ ABSL_GUARDED_BY(turn_){absl::Seconds(1)};
  int64_t next_command_ ABSL_GUARDED_BY(turn_) = 1;
  int64_t generation_ ABSL_GUARDED_BY(turn_) = 0;
  Epoch registered_ ABSL_GUARDED_BY(turn_);
};

}  // namespace penstock::engine
