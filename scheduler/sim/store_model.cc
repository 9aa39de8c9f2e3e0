#include "scheduler/sim/store_model.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "fmt/format.h"

namespace penstock::sim {
namespace {

using core::TaskState;

absl::Status Stale(std::string_view what, const core::TaskKey& key) {
  return MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      fmt::format("{} of run {} task {} does not meet its row", what, key.run.value(), key.task));
}

// Rows in the order of their keys.
template <typename Row, typename KeyOf>
std::vector<const Row*> Sorted(const std::vector<Row>& rows, const KeyOf& key_of) {
  std::vector<const Row*> sorted;
  sorted.reserve(rows.size());
  for (const Row& row : rows) sorted.push_back(&row);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Row* a, const Row* b) { return key_of(*a) < key_of(*b); });
  return sorted;
}

}  // namespace

const std::map<std::string, Mutation, std::less<>>& Mutations() {
  static const std::map<std::string, Mutation, std::less<>> all = {
      {"none", Mutation::kNone},
      {"skip_fence", Mutation::kSkipFence},
      {"send_before_commit", Mutation::kSendBeforeCommit},
      {"answer_before_commit", Mutation::kAnswerBeforeCommit},
      {"ack_before_commit", Mutation::kAckBeforeCommit},
      {"reuse_attempt", Mutation::kReuseAttempt},
      {"ignore_session_lease", Mutation::kIgnoreSessionLease},
      {"confirm_without_lease", Mutation::kConfirmWithoutLease},
      {"forget_limits", Mutation::kForgetLimits},
      {"forget_keys", Mutation::kForgetKeys},
      {"unknown_is_failed", Mutation::kUnknownIsFailed},
      {"unknown_is_committed", Mutation::kUnknownIsCommitted},
      {"guardian_sleeps", Mutation::kGuardianSleeps},
      {"forget_suspects", Mutation::kForgetSuspects},
      {"names_are_proof", Mutation::kNamesAreProof},
      {"lose_counters", Mutation::kLoseCounters},
  };
  return all;
}

std::string_view ToString(Mutation mutation) {
  for (const auto& [name, value] : Mutations()) {
    if (value == mutation) return name;
  }
  return "";
}

FlushSeq StoreModel::last_seq() const {
  return fence_.empty() ? FlushSeq() : fence_.rbegin()->first;
}

FlushSeq StoreModel::InsertFence(Epoch epoch) {
  const FlushSeq seq(last_seq().value() + 1);
  fence_[seq] = {epoch, true};
  return seq;
}

core::DomainFacts StoreModel::Facts() const {
  core::DomainFacts facts;
  facts.domain = domain_;
  facts.epoch = epoch_;
  facts.flush_seq = last_seq();
  facts.loads_without_progress = loads_without_progress_;
  facts.suspect = suspect_;
  facts.namespaces = namespaces_;
  for (const auto& [id, dag] : dags_) {
    if (!dag.deleted) facts.dags.push_back(dag.row);
  }
  for (const auto& [name, row] : pools_) facts.pools.push_back(row);
  for (const auto& [id, row] : runs_) {
    if (core::IsTerminal(row.state)) continue;
    facts.runs.push_back(row);
    if (const auto tasks = tasks_.find(id); tasks != tasks_.end()) {
      for (const auto& [place, task_row] : tasks->second) facts.tasks.push_back(task_row);
    }
  }
  AddSessions(&facts);
  return facts;
}

// Those that hold leases, by id.
void StoreModel::AddSessions(core::DomainFacts* facts) const {
  std::set<SessionId> holders;
  for (const core::TaskRow& task : facts->tasks) {
    if (core::IsLive(task.state)) holders.insert(task.session);
  }
  for (const SessionId id : holders) {
    core::SessionRow unknown;
    unknown.info.id = id;
    const auto known = sessions_.find(id);
    facts->sessions.push_back(known == sessions_.end() ? unknown : known->second);
  }
}

core::DomainFacts StoreModel::Load() {
  ++loads_without_progress_;
  core::DomainFacts facts = Facts();
  for (core::TaskRow& task : facts.tasks) {
    if (mutation_ == Mutation::kReuseAttempt && !core::IsLive(task.state)) task.attempt = 0;
    if (mutation_ == Mutation::kLoseCounters && task.state == TaskState::kFailed) {
      task.state = TaskState::kSuccess;
    }
  }
  if (mutation_ == Mutation::kForgetLimits) {
    for (core::PoolRow& pool : facts.pools) pool.slots *= 2;
  }
  return facts;
}

absl::StatusOr<core::LoadResult> StoreModel::TakeOver(
    SchedulerId self, const core::OwnerProtocol::TakeOver& request) {
  if (epoch_ != request.seen) return absl::AbortedError("another scheduler was faster");
  epoch_ = Epoch(epoch_.value() + 1);
  owner_ = self;
  InsertFence(epoch_);
  return core::LoadResult{Load(), std::nullopt};
}

absl::StatusOr<core::LoadResult> StoreModel::Reload(const core::OwnerProtocol::Reload& request) {
  const Epoch epoch = request.epoch;
  const FlushSeq in_doubt = request.in_doubt;
  if (epoch_ != epoch) return absl::AbortedError("another owner");
  std::optional<bool> committed;
  FlushSeq place;
  if (in_doubt) {
    const auto [it, taken] = fence_.try_emplace(in_doubt, FenceRow{epoch, true});
    if (it->second.epoch != epoch) return absl::AbortedError("another owner");
    // The row of a load that was itself in doubt says as much: the flush did not commit.
    committed = !it->second.load;
    if (taken) place = in_doubt;
    if (mutation_ == Mutation::kUnknownIsFailed) committed = false;
    if (mutation_ == Mutation::kUnknownIsCommitted) committed = true;
  }
  if (!place) place = InsertFence(epoch);
  if (!request.refused) --loads_without_progress_;
  core::LoadResult result{Load(), committed};
  result.facts.flush_seq = place;
  return result;
}

absl::Status StoreModel::Note(Epoch epoch, const std::string& suspect) {
  if (epoch_ != epoch) return absl::AbortedError("another owner");
  if (mutation_ != Mutation::kForgetSuspects) suspect_ = suspect;
  return absl::OkStatus();
}

absl::Status StoreModel::Release(Epoch epoch) {
  if (epoch_ != epoch) return absl::AbortedError("another owner");
  owner_ = SchedulerId();
  loads_without_progress_ = -1;
  return absl::OkStatus();
}

absl::StatusOr<store::IdBlock> StoreModel::TakeIds(Epoch epoch, int64_t count) {
  if (epoch_ != epoch) return absl::AbortedError("another owner");
  const RunId first(next_id_);
  next_id_ += count;
  return store::IdBlock{first, count};
}

absl::StatusOr<core::DomainFacts> StoreModel::LoadRun(RunId run) {
  const auto row = runs_.find(run);
  if (row == runs_.end()) return absl::NotFoundError("no such run");
  core::DomainFacts facts;
  facts.domain = domain_;
  facts.namespaces = namespaces_;
  facts.runs.push_back(row->second);
  if (const auto dag = dags_.find(row->second.dag); dag != dags_.end()) {
    facts.dags.push_back(dag->second.row);
  }
  if (const auto tasks = tasks_.find(run); tasks != tasks_.end()) {
    for (const auto& [place, task] : tasks->second) facts.tasks.push_back(task);
  }
  AddSessions(&facts);
  return facts;
}

// ---- Flush ----

absl::Status StoreModel::CheckNewRuns(const std::vector<core::RunRow>& runs, RunId* culprit) const {
  std::set<RunId> ids;
  std::set<std::pair<DagId, std::string>> keys;
  std::set<std::pair<DagId, std::string>> idempotency_keys;
  std::set<std::pair<DagId, int64_t>> dates;
  const auto by_id = [](const core::RunRow& r) { return r.id; };
  for (const core::RunRow* run : Sorted(runs, by_id)) {
    *culprit = run->id;
    bool taken = runs_.contains(run->id) || !ids.insert(run->id).second;
    taken |= by_key_.contains({run->dag, run->key}) || !keys.insert({run->dag, run->key}).second;
    if (run->logical_date_us != 0) {
      taken |= by_date_.contains({run->dag, run->logical_date_us}) ||
               !dates.insert({run->dag, run->logical_date_us}).second;
    }
    if (!run->idempotency_key.empty() && mutation_ != Mutation::kForgetKeys) {
      const core::RunRow* known = FindByIdempotencyKey(run->dag, run->idempotency_key);
      taken |=
          known != nullptr || !idempotency_keys.insert({run->dag, run->idempotency_key}).second;
    }
    if (taken) return absl::AlreadyExistsError("run id, key, idempotency key or logical date");
  }
  *culprit = RunId();
  return absl::OkStatus();
}

// Names are unique among the DAGs of a namespace that exist. The last update of a DAG counts.
absl::Status StoreModel::CheckDags(const std::vector<core::DagUpdate>& updates) const {
  absl::btree_map<DagId, Dag> dags = dags_;
  for (size_t i = 0; i < updates.size(); ++i) {
    const core::DagUpdate& update = updates[i];
    const bool replaced =
        std::any_of(updates.begin() + static_cast<std::ptrdiff_t>(i) + 1, updates.end(),
                    [&](const core::DagUpdate& later) { return later.dag.id == update.dag.id; });
    if (replaced) continue;
    const bool taken = std::any_of(dags.begin(), dags.end(), [&](const auto& entry) {
      const Dag& other = entry.second;
      return !other.deleted && entry.first != update.dag.id && other.row.ns == update.dag.ns &&
             other.row.name == update.dag.name;
    });
    if (taken && !update.deleted) return absl::AlreadyExistsError("DAG name");
    dags[update.dag.id] = {update.dag, update.deleted};
  }
  return absl::OkStatus();
}

const core::TaskRow* StoreModel::Current(const Changed& changed, const core::TaskKey& key) const {
  const auto it = changed.find(key);
  return it != changed.end() ? &it->second : FindTask(key);
}

absl::Status StoreModel::CheckTasks(const core::FlushBatch& batch, RunId* culprit) const {
  Changed changed;  // rows as they will be after the earlier sections of this batch
  const auto by_key = [](const auto& item) { return item.key; };
  const auto by_row_key = [](const core::Completion& c) { return c.row.key; };
  for (const core::Completion* c : Sorted(batch.completions, by_row_key)) {
    *culprit = c->row.key.run;
    const core::TaskRow* row = Current(changed, c->row.key);
    if (row == nullptr || !core::IsLive(row->state) || row->attempt != c->row.attempt) {
      return Stale("completion", c->row.key);
    }
    changed[c->row.key] = c->row;
  }
  for (const core::Decision* d : Sorted(batch.decisions, by_key)) {
    *culprit = d->key.run;
    const core::TaskRow* row = Current(changed, d->key);
    if (row == nullptr ? d->attempt != 0
                       : (row->attempt != d->attempt || core::IsLive(row->state))) {
      return Stale("decision", d->key);
    }
    core::TaskRow after = row == nullptr ? core::TaskRow() : *row;
    after.key = d->key;
    after.state = d->state;
    changed[d->key] = after;
  }
  for (const core::Dispatch* d : Sorted(batch.dispatches, by_key)) {
    *culprit = d->key.run;
    const core::TaskRow* row = Current(changed, d->key);
    const bool follows = d->fresh         ? row == nullptr
                         : row == nullptr ? d->attempt == 1 || d->leap
                         : d->leap        ? row->attempt < d->attempt
                                          : row->attempt == d->attempt - 1;
    const bool free =
        row == nullptr || row->state == TaskState::kWaiting || row->state == TaskState::kUpForRetry;
    if (!follows || !free) {
      return Stale("dispatch", d->key);
    }
    changed[d->key].key = d->key;
  }
  for (const core::StartedMark* mark : Sorted(batch.started, by_key)) {
    *culprit = mark->key.run;
    if (Current(changed, mark->key) == nullptr) return Stale("start", mark->key);
  }
  *culprit = RunId();
  return absl::OkStatus();
}

absl::Status StoreModel::CheckRunUpdates(const core::FlushBatch& batch, RunId* culprit) const {
  const auto by_run = [](const core::RunUpdate& u) { return u.run; };
  for (const core::RunUpdate* u : Sorted(batch.run_updates, by_run)) {
    *culprit = u->run;
    const core::RunRow* run = FindRun(u->run);
    for (const core::RunRow& fresh : batch.new_runs) {
      if (fresh.id == u->run) run = &fresh;
    }
    if (run == nullptr || (core::IsTerminal(run->state) && !u->by_user)) {
      return absl::FailedPreconditionError("run update does not meet its row");
    }
  }
  *culprit = RunId();
  return absl::OkStatus();
}

absl::Status StoreModel::Check(const core::FlushBatch& batch, RunId* culprit) const {
  absl::Status status = CheckNewRuns(batch.new_runs, culprit);
  if (status.ok()) status = CheckDags(batch.dags);
  if (status.ok()) status = CheckTasks(batch, culprit);
  if (status.ok()) status = CheckRunUpdates(batch, culprit);
  for (const int64_t id : batch.inbox_done) {
    if (status.ok() && !inbox_.contains(id)) status = absl::FailedPreconditionError("stale inbox");
  }
  return status;
}

// The fence: the last row is of the same epoch, and nobody has taken the place.
bool StoreModel::Follows(FlushSeq seq, Epoch epoch) const {
  if (fence_.contains(seq)) return false;
  if (fence_.empty()) return seq == FlushSeq(1) && !epoch;
  const auto before = fence_.find(FlushSeq(seq.value() - 1));
  return before != fence_.end() && before->second.epoch == epoch;
}

core::FlushResult StoreModel::Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) {
  if (mutation_ == Mutation::kSkipFence) {
    while (fence_.contains(seq)) seq = FlushSeq(seq.value() + 1);
  } else if (!Follows(seq, epoch)) {
    return {core::FlushVerdict::kFenced, absl::AbortedError("fenced"), RunId()};
  }
  RunId culprit;
  if (absl::Status status = Check(batch, &culprit); !status.ok()) {
    return {core::FlushVerdict::kRejected, status, culprit};
  }
  if (on_commit) on_commit(batch);
  fence_[seq] = {epoch, false};
  Write(epoch, batch);
  return {core::FlushVerdict::kCommitted, absl::OkStatus(), RunId()};
}

void StoreModel::Write(Epoch epoch, const core::FlushBatch& batch) {
  if (batch.made_progress) loads_without_progress_ = 0;
  for (const core::SessionInfo& info : batch.sessions) sessions_[info.id] = {info, epoch};
  for (const core::RunRow& run : batch.new_runs) {
    runs_[run.id] = run;
    by_key_[{run.dag, run.key}] = run.id;
    if (run.logical_date_us != 0) by_date_[{run.dag, run.logical_date_us}] = run.id;
    if (!run.idempotency_key.empty()) by_idempotency_.emplace(run.idempotency_key, run.id);
  }
  for (const core::DagUpdate& u : batch.dags) dags_[u.dag.id] = {u.dag, u.deleted};
  for (const core::PoolUpdate& u : batch.pools) {
    if (u.deleted) {
      pools_.erase(u.pool.name);
    } else {
      pools_[u.pool.name] = u.pool;
    }
  }
  WriteTasks(batch);
  for (const core::RunUpdate& u : batch.run_updates) {
    core::RunRow& run = runs_[u.run];
    run.state = u.state;
    run.intent = u.intent;
    run.reason = u.reason;
    run.quarantined = u.quarantined;
    run.started_us = u.started_us;
    run.finished_us = u.finished_us;
  }
  for (const int64_t id : batch.inbox_done) inbox_.erase(id);
}

void StoreModel::WriteTasks(const core::FlushBatch& batch) {
  for (const core::Completion& c : batch.completions) {
    core::TaskRow& row = tasks_[c.row.key.run][PlaceOf(c.row.key)];
    const SessionId session = row.session;
    row = c.row;
    row.session = session;
  }
  for (const core::Decision& d : batch.decisions) {
    core::TaskRow& row = tasks_[d.key.run][PlaceOf(d.key)];
    core::TaskRow after;
    after.key = d.key;
    after.state = d.state;
    after.attempt = d.attempt;
    after.tries = d.tries;
    after.infra_tries = d.infra_tries;
    after.session = row.session;
    after.cause = d.cause;
    after.finished_us = d.finished_us;
    row = after;
  }
  for (const core::Dispatch& d : batch.dispatches) {
    core::TaskRow row;
    row.key = d.key;
    row.state = TaskState::kLeased;
    row.attempt = d.attempt;
    row.tries = d.tries;
    row.infra_tries = d.infra_tries;
    row.session = d.session;
    tasks_[d.key.run][PlaceOf(d.key)] = row;
  }
  for (const core::StartedMark& mark : batch.started) {
    core::TaskRow& row = tasks_[mark.key.run][PlaceOf(mark.key)];
    if (row.attempt != mark.attempt || row.state != TaskState::kLeased) continue;
    row.state = TaskState::kRunning;
    row.started_us = mark.started_us;
  }
}

void StoreModel::Retain(int64_t cutoff_us) {
  std::set<SessionId> named;
  for (auto it = runs_.begin(); it != runs_.end();) {
    const core::RunRow& run = it->second;
    const bool ended = core::IsTerminal(run.state);
    if (!ended && tasks_.contains(run.id)) {
      for (const auto& [place, task] : tasks_.at(run.id)) named.insert(task.session);
    }
    if (!ended || run.finished_us >= cutoff_us) {
      ++it;
      continue;
    }
    const RunId id = run.id;
    tasks_.erase(id);
    const auto is_this = [id](const auto& entry) { return entry.second == id; };
    std::erase_if(by_key_, is_this);
    std::erase_if(by_date_, is_this);
    std::erase_if(by_idempotency_, is_this);
    it = runs_.erase(it);
  }
  absl::erase_if(sessions_, [&](const auto& entry) {
    return !named.contains(entry.first) && entry.second.hello_epoch != epoch_;
  });
}

// ---- Looks ----

const core::RunRow* StoreModel::FindRun(RunId id) const {
  const auto it = runs_.find(id);
  return it == runs_.end() ? nullptr : &it->second;
}

const core::TaskRow* StoreModel::FindTask(const core::TaskKey& key) const {
  const auto run = tasks_.find(key.run);
  if (run == tasks_.end()) return nullptr;
  const auto task = run->second.find(PlaceOf(key));
  return task == run->second.end() ? nullptr : &task->second;
}

const core::RunRow* StoreModel::FindByIdempotencyKey(const std::string& key) const {
  const auto it = by_idempotency_.find(key);
  return it == by_idempotency_.end() ? nullptr : FindRun(it->second);
}

const core::RunRow* StoreModel::FindByIdempotencyKey(DagId dag, const std::string& key) const {
  const auto [first, last] = by_idempotency_.equal_range(key);
  for (auto it = first; it != last; ++it) {
    const core::RunRow* run = FindRun(it->second);
    if (run->dag == dag) return run;
  }
  return nullptr;
}

int StoreModel::RunsWithKey(const std::string& key) const {
  return static_cast<int>(by_idempotency_.count(key));
}

int32_t StoreModel::PoolSlots(const std::string& name) const {
  const auto it = pools_.find(name);
  return it == pools_.end() ? 0 : it->second.slots;
}

}  // namespace penstock::sim
