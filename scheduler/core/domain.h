#pragma once
// The scheduler's heart: one domain as a deterministic state machine. Events and commands go in,
// rows to write and messages to send come out; nothing takes effect before the rows are committed.
// No thread, lock, clock, log, SQL or protocol in it: the same input gives the same output.
//
// A carrier (engine/, or the simulator) drives it:
//   Apply(event, now) as long as the batch has room; Work(now) until it returns false;
//   TakeEffects(); flush the batch; after the commit act on the rest.
// After any failed flush the carrier drops the object and builds another one from reloaded facts.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/lease/terms.h"
#include "scheduler/core/admission.h"
#include "scheduler/core/events.h"
#include "scheduler/core/facts.h"
#include "scheduler/core/run.h"
#include "scheduler/core/sessions.h"
#include "scheduler/core/version.h"
#include "scheduler/core/views.h"

namespace penstock::core {

struct DomainOptions {
  lease::Terms terms;
  int32_t infra_retries = 3;  // attempts lost to infrastructure, per instance
  absl::Duration ageing_bound = absl::Seconds(60);
  absl::Duration started_after = absl::Seconds(3);  // when `running` is made durable
  size_t max_rows = 2000;                           // of one flush
  // What unfinished runs may take in memory, their tasks aside; new ones are refused beyond.
  int64_t max_backlog_bytes = int64_t{512} << 20;
  // When this process first saw each epoch of the domain; bounds how long an older session of a
  // former owner may still be trusted.
  absl::btree_map<Epoch, SteadyTime> epochs_seen;
  // Trust of sessions carried over a reload under the same epoch.
  absl::flat_hash_map<SessionId, SteadyTime> trust;
  // Runs that must not be touched any more, with the reason (poison).
  absl::flat_hash_map<RunId, std::string> quarantine;
  // Careful mode: what is decided about a run is decided in its RunTurn, when an event about it
  // comes, or by a command. So it is known beforehand about which run something is decided.
  bool careful = false;
};

using VersionMap = absl::flat_hash_map<VersionId, std::shared_ptr<const dag::Topology>>;

// Not thread-safe: one owner thread. Const methods look, and change nothing.
class Domain {
 public:
  // `versions` must hold the version of every live run of `facts`.
  Domain(DomainOptions options, DomainFacts facts, const VersionMap& versions, Now now);
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  void Apply(Event event, Now now);
  // One slice (well under a millisecond) of whatever is due: timers, propagation, sweeps,
  // dispatches. True when there is more to do now.
  bool Work(Now now);
  // The batch has as many rows as one flush should have.
  bool BatchFull() const { return out_.batch.rows() >= options_.max_rows; }
  // Something to flush or to send.
  bool HasEffects() const { return !out_.nothing(); }
  Effects TakeEffects();
  // When Work must be called again though nothing happens; infinite = never.
  SteadyTime NextSteady() const;

  DomainId id() const { return id_; }
  // What the carrier has to bring: run ids (0 = enough), versions.
  int64_t WantedIds() const;
  std::vector<VersionId> TakeWantedVersions();
  // The first command that waits for one of these; null = none does.
  const Command* held_command() const {
    return held_commands_.empty() ? nullptr : &held_commands_.front();
  }
  bool HasRun(RunId run) const { return runs_.contains(run); }
  // Trust to carry over a reload.
  absl::flat_hash_map<SessionId, SteadyTime> Trust() const;
  // What Apply does with it; allowed at any time, since nothing durable follows from it.
  void Confirm(const SessionConfirmed& e);

  // ---- Careful mode ----
  // The run that wants the next RunTurn: there is something to decide about it.
  std::optional<RunId> WantsTurn(Now now);
  // Until the next event nothing is decided about any run.
  void EndTurn() { focus_.reset(); }
  // All loaded runs have had their first turn.
  bool AllBegun() const { return to_begin_.empty(); }
  // The rest is as without it.
  void EndCare(Now now);
  // A session that holds leases is away: it comes back, or is lost.
  bool AwaitsSessions() const;

  // ---- For people ----
  Explanation Explain(const TaskKey& key) const;    // state kRemoved when there is no such instance
  std::optional<RunView> ViewRun(RunId run) const;  // live runs only
  std::optional<TaskView> ViewTask(const TaskKey& key) const;
  std::vector<PoolView> Pools() const;
  std::vector<QueueView> Queues() const;
  std::vector<SessionView> Sessions() const;
  DomainStats Stats() const;

  // ---- For checks ----
  // Everything that a load must reproduce, as text. Compare only when Work has nothing left and
  // no effects are outstanding.
  std::string Digest() const;

 private:
  struct Live {
    SessionId session;
    int64_t started_us = 0;
    uint64_t dispatched_in = 0;    // batch number
    bool marked = false;           // `running` is durable
    std::optional<Cause> revoked;  // asked to stop
  };
  struct DagState {
    DagRow row;
    int32_t active = 0;  // running runs
    absl::btree_set<RunId> queued;
    absl::btree_set<RunId> running;
  };
  struct RetryTimer {
    SteadyTime at;
    TaskKey key;
    int32_t attempt;
    friend bool operator>(const RetryTimer& a, const RetryTimer& b) { return a.at > b.at; }
  };
  struct RunTimer {
    SteadyTime at;
    RunId run;
    friend bool operator>(const RunTimer& a, const RunTimer& b) { return a.at > b.at; }
  };
  struct Propagation {
    RunId run;
    uint32_t task;
    uint32_t next_edge = 0;
  };
  struct PendingMark {
    TaskKey key;
    int32_t attempt;
    SteadyTime due;
  };
  template <typename T>
  using MinHeap = std::priority_queue<T, std::vector<T>, std::greater<T>>;

  // domain_load.cc
  void LoadCatalog(const DomainFacts& facts);
  void LoadSessions(const DomainFacts& facts, Now now);
  Run& AddRun(const RunRow& row, std::shared_ptr<const Version> version);
  void LoadTask(Run& run, const TaskRow& row);
  void BeginRun(Run& run, Now now);
  std::shared_ptr<const Version> AddVersion(VersionId id,
                                            const std::shared_ptr<const dag::Topology>& topology);
  void AddKeys(const RunRow& row);
  void ForgetKeys(const RunRow& row);
  SteadyTime TrustAfterLoad(const SessionRow& row, Now now) const;

  // domain_sessions.cc
  void On(SessionHello& e, Now now);
  void On(BindingClosed& e, Now now);
  void On(SessionConfirmed& e, Now) { Confirm(e); }
  void On(SessionDead& e, Now now);
  void On(CreditsGranted& e, Now now);
  void On(SessionDraining& e, Now now);
  void LoseSession(SessionId id, Now now);
  void LoseLease(const TaskKey& key, Cause cause, Now now);
  bool Defer(const Run& run, const TaskKey& key, Cause cause);
  void WishForCredits();

  // domain_attempts.cc
  void On(AttemptStarted& e, Now now);
  void On(AttemptEnded& e, Now now);
  void On(AttemptHandedBack& e, Now now);
  void EndAttempt(Run& run, const TaskKey& key, const Live& live, AttemptResult& r, Now now);
  // What becomes of the instance: fills row->state, tries, infra_tries and retry_at_us.
  // True when the attempt counts against the user's retries.
  bool JudgeEnding(const Run& run, const Live& live, const AttemptResult& r, Now now,
                   TaskRow* row) const;
  void FreeLease(Run& run, const TaskKey& key, const Live& live);
  void RecordAttempt(const TaskRow& row, bool charged, const std::string& error);
  void AfterEnd(Run& run, const TaskKey& key, const TaskRow& row, Now now);
  void MarkStarted(Now now);

  // domain_commands.cc
  void On(Command& command, Now now);
  void On(IdsGranted& e, Now now);
  void On(VersionLoaded& e, Now now);
  void RetryHeld(Now now);
  // Each returns false when the command must wait (ids, a version) and was put aside.
  bool Do(const CreateRuns& c, const Command& command, Reply* reply, Now now);
  bool Do(const CancelRun& c, const Command& command, Reply* reply, Now now);
  bool Do(const RetryRun& c, const Command& command, Reply* reply, Now now);
  bool Do(const ApplyDag& c, const Command& command, Reply* reply, Now now);
  bool Do(const SetDagPaused& c, const Command& command, Reply* reply, Now now);
  bool Do(const DeleteDag& c, const Command& command, Reply* reply, Now now);
  bool Do(const SetPool& c, const Command& command, Reply* reply, Now now);
  bool Do(const DeletePool& c, const Command& command, Reply* reply, Now now);
  bool Do(const AddNamespace& c, const Command& command, Reply* reply, Now now);
  bool Do(const DrainWorker& c, const Command& command, Reply* reply, Now now);
  absl::Status CheckBacklog(const CreateRuns& c) const;
  absl::Status CheckNewRun(const NewRun& wanted, const DagState& dag) const;
  absl::Status CheckPools(const dag::Topology& topology) const;
  const Run* FindByKeys(const NewRun& wanted) const;
  bool ShowsEnding(const DomainFacts& loaded) const;
  RunRow CreateRun(const NewRun& wanted, DagState& dag, Now now);
  void Audit(const Command& command, std::string action, std::string subject, Now now);
  void SetIntent(Run& run, RunIntent intent, std::string reason, Now now);

  // domain_careful.cc
  bool MayTouch(const Run& run) const { return run.begun && (!careful_ || focus_ == run.row.id); }
  std::optional<RunId> DueRun(Now now) const;
  std::optional<RunId> QueuedRun() const;
  void On(RunTurn& e, Now now);
  void Quarantine(Run& run, const std::string& why);
  void Release(Run& run, Now now);

  // domain_work.cc
  void RunTimers(Now now);
  bool Initialise(Now now, int* budget);
  bool Propagate(Now now, int* budget);
  bool Sweep(Now now, int* budget);
  void SweepOne(Run& run, uint32_t task, Now now);
  void SweepRetry(Run& run, uint32_t task);
  bool EndSweep(Run& run, Now now);
  bool Dispatch(Now now);
  void LeaseTo(const Admission::Pick& pick, Now now);
  void CountUpstream(Run& run, uint32_t task);
  void JudgeInstance(Run& run, uint32_t task, Now now);
  void MakeReady(Run& run, uint32_t task, Now now);
  void Decide(Run& run, uint32_t task, TaskState state, Cause cause, Now now);
  void Propagated(Run& run, uint32_t task);
  void Settle(Run& run, Now now);
  void StartRun(Run& run, Now now);
  void ArmRetryTimer(const Run& run, const RetryTime& retry, Now now);
  void ArmRunTimer(const Run& run, Now now);
  void RemoveFinished();
  void FinishRun(Run& run, RunState state, std::string reason, Now now);
  static bool MayStart(const DagState& dag);
  void StartQueued(DagState& dag, Now now);
  void UpdateHold(Run& run, Now now);
  void RunDeferredLosses(Now now);
  void JudgeSessions(Now now);

  // domain_rows.cc
  void SetState(Run& run, uint32_t task, TaskState state, bool by_user);
  void WriteDecision(Run& run, uint32_t task, TaskState state, Cause cause, int64_t finished_us);
  void WriteRun(Run& run, bool by_user = false);
  void Touch(const Run& run) { out_.changed_runs.push_back(run.row.id); }
  Run* FindRun(RunId id);
  const Run* FindRun(RunId id) const;

  // domain_views.cc
  std::optional<std::pair<Reason, std::string>> ExplainRun(const Run& run) const;
  std::string DescribeUpstream(const Run& run, uint32_t task) const;

  const DomainOptions options_;
  const SteadyTime loaded_at_;
  const DomainId id_;
  const Epoch epoch_;
  const int32_t first_attempt_;
  SessionTable sessions_;
  Admission admission_;
  absl::flat_hash_map<NamespaceId, NamespaceRow> namespaces_;
  absl::btree_map<DagId, DagState> dags_;
  absl::flat_hash_map<VersionId, std::shared_ptr<const Version>> versions_;
  absl::btree_map<RunId, std::unique_ptr<Run>> runs_;
  absl::flat_hash_map<TaskKey, Live> live_;
  absl::flat_hash_map<std::pair<DagId, std::string>, RunId> by_key_;  // live and recent
  absl::flat_hash_map<std::pair<DagId, std::string>, RunId> by_idempotency_;
  absl::flat_hash_map<std::pair<DagId, int64_t>, RunId> by_logical_date_;

  MinHeap<RetryTimer> retry_timers_;
  MinHeap<RunTimer> run_timers_;
  std::deque<PendingMark> pending_marks_;
  std::deque<Propagation> propagations_;
  absl::btree_set<RunId> initialising_;
  absl::btree_set<RunId> sweeping_;
  // Leases of the batch being gathered, or of runs that may not be touched.
  std::vector<std::pair<TaskKey, Cause>> deferred_losses_;
  std::deque<Command> held_commands_;
  std::vector<RunId> finished_;  // to be removed after this step
  std::deque<RunRow> recent_;    // ended runs that were given a key
  absl::btree_set<VersionId> wanted_versions_;
  RunId next_id_;
  int64_t ids_left_ = 0;
  int64_t backlog_bytes_ = 0;  // of runs_, by BacklogBytes
  bool dispatch_due_ = true;
  bool careful_;
  std::optional<RunId> focus_;       // in careful mode: what the latest event is about
  absl::btree_set<RunId> to_begin_;  // in careful mode: wait for their first turn

  Effects out_;
  uint64_t batch_number_ = 1;
  absl::flat_hash_map<RunId, size_t> run_update_index_;
  absl::flat_hash_map<TaskKey, size_t> decision_index_;
};

}  // namespace penstock::core
