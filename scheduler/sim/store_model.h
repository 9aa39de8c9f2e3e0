#pragma once
// The database as the simulator believes it to be: one domain's tables in memory, with the same
// refusals as the real one. Compared with PostgreSQL by tests/integration's differential test.
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "scheduler/core/facts.h"
#include "scheduler/core/flush_batch.h"
#include "scheduler/store/domain_store.h"

namespace penstock::sim {

// Deliberate mistakes that the invariants must catch (a check that cannot fail is none).
enum class Mutation {
  kNone,
  kSkipFence,            // the database accepts a deposed owner's flush
  kSendBeforeCommit,     // assignments leave before their rows are committed
  kAnswerBeforeCommit,   // clients are answered before the commit
  kAckBeforeCommit,      // workers may forget results that are not durable
  kReuseAttempt,         // a load forgets attempt numbers
  kIgnoreSessionLease,   // sessions are given up at once after a takeover
  kConfirmWithoutLease,  // renewals are confirmed by an owner whose own lease has ended
  kForgetLimits,         // a load forgets which pool slots are taken
  kForgetKeys,           // repeated submits are not recognised by the database
  kUnknownIsFailed,      // a flush in doubt is taken for lost and its inputs are applied again
  kUnknownIsCommitted,   // a flush in doubt is taken for committed
  kGuardianSleeps,       // nobody kills attempts whose lease ended
  kForgetSuspects,       // nobody remembers what an owner was about to apply when it died
  kNamesAreProof,        // a worker speaks for another one of its name, which lives
  kLoseCounters,         // a load miscounts what the upstream has done
};
// Names as on the command line; empty for an unknown one.
std::string_view ToString(Mutation mutation);
const std::map<std::string, Mutation, std::less<>>& Mutations();

// Not thread-safe.
class StoreModel : public store::DomainStore {
 public:
  explicit StoreModel(DomainId domain, Mutation mutation = Mutation::kNone)
      : domain_(domain), mutation_(mutation) {}

  // Never loses a commit: what callers know to be committed is not asked for.
  absl::StatusOr<core::LoadResult> TakeOver(SchedulerId self,
                                            const core::OwnerProtocol::TakeOver& request) override;
  absl::StatusOr<core::LoadResult> Reload(const core::OwnerProtocol::Reload& request) override;
  core::FlushResult Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) override;
  absl::Status Note(Epoch epoch, const std::string& suspect) override;
  absl::StatusOr<store::IdBlock> TakeIds(Epoch epoch, int64_t count) override;
  absl::Status Release(Epoch epoch) override;
  absl::StatusOr<core::DomainFacts> LoadRun(RunId run) override;

  // Configuration that no flush writes.
  void AddNamespace(const core::NamespaceRow& row) { namespaces_.push_back(row); }

  // ---- For checks ----
  Epoch epoch() const { return epoch_; }
  SchedulerId owner() const { return owner_; }
  FlushSeq last_seq() const;
  const core::RunRow* FindRun(RunId id) const;
  const core::TaskRow* FindTask(const core::TaskKey& key) const;
  const absl::btree_map<RunId, core::RunRow>& runs() const { return runs_; }
  struct FenceRow {
    Epoch epoch;
    bool load = false;  // written by a load, not by a flush
  };
  const std::map<FlushSeq, FenceRow>& fence() const { return fence_; }
  // The run that a client's key made; null = none.
  const core::RunRow* FindByIdempotencyKey(const std::string& key) const;
  const core::RunRow* FindByIdempotencyKey(DagId dag, const std::string& key) const;
  int RunsWithKey(const std::string& key) const;
  int32_t PoolSlots(const std::string& name) const;  // 0 when there is no such pool
  // What a load would read now; changes nothing.
  core::DomainFacts Facts() const;
  const absl::btree_map<SessionId, core::SessionRow>& sessions() const { return sessions_; }

  // ---- What else writes to the database ----
  // As store::Maintenance: finished runs that ended before the cutoff go, with all that is theirs,
  // and sessions that nobody needs; all are taken to be older than the cutoff.
  void Retain(int64_t cutoff_us);
  void AddInbox(int64_t id) { inbox_.insert(id); }

  // Called with each batch just before it takes effect.
  std::function<void(const core::FlushBatch&)> on_commit;

 private:
  using Place = std::pair<int32_t, int32_t>;  // task, map
  struct Dag {
    core::DagRow row;
    bool deleted = false;
  };
  using Changed = absl::flat_hash_map<core::TaskKey, core::TaskRow>;
  static Place PlaceOf(const core::TaskKey& key) { return {key.task, key.map}; }

  // Each in the order of the keys, as the database looks at them: the first is the culprit.
  absl::Status Check(const core::FlushBatch& batch, RunId* culprit) const;
  absl::Status CheckNewRuns(const std::vector<core::RunRow>& runs, RunId* culprit) const;
  absl::Status CheckDags(const std::vector<core::DagUpdate>& updates) const;
  absl::Status CheckTasks(const core::FlushBatch& batch, RunId* culprit) const;
  absl::Status CheckRunUpdates(const core::FlushBatch& batch, RunId* culprit) const;
  const core::TaskRow* Current(const Changed& changed, const core::TaskKey& key) const;
  bool Follows(FlushSeq seq, Epoch epoch) const;
  void Write(Epoch epoch, const core::FlushBatch& batch);
  void WriteTasks(const core::FlushBatch& batch);
  void AddSessions(core::DomainFacts* facts) const;
  core::DomainFacts Load();
  FlushSeq InsertFence(Epoch epoch);

  const DomainId domain_;
  const Mutation mutation_;
  Epoch epoch_;
  SchedulerId owner_;
  std::map<FlushSeq, FenceRow> fence_;
  int loads_without_progress_ = -1;  // the first load counts nothing
  std::string suspect_;
  int64_t next_id_ = (int64_t{1} << 40) + 1;
  std::vector<core::NamespaceRow> namespaces_;
  absl::btree_map<DagId, Dag> dags_;
  absl::btree_map<std::string, core::PoolRow> pools_;
  absl::btree_map<RunId, core::RunRow> runs_;
  absl::flat_hash_map<RunId, absl::btree_map<Place, core::TaskRow>> tasks_;
  absl::btree_map<SessionId, core::SessionRow> sessions_;
  std::map<std::pair<DagId, std::string>, RunId> by_key_;
  std::map<std::pair<DagId, int64_t>, RunId> by_date_;
  std::multimap<std::string, RunId> by_idempotency_;
  std::set<int64_t> inbox_;
};

}  // namespace penstock::sim
