#include "scheduler/sim/store_model.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "fmt/format.h"

namespace penstock::sim {
namespace {

using core::TaskState;

absl::Status Stale(std::string_view what, const core::TaskKey& key) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition,
                    fmt::format("{} of run {} task {} does not meet its row", what,
                                key.run.value(), key.task));
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
  fence_[seq] = epoch;
  return seq;
}

core::DomainFacts StoreModel::Facts() const {
  core::DomainFacts facts;
  facts.domain = domain_;
  facts.epoch = epoch_;
  facts.flush_seq = last_seq();
  facts.loads_without_progress = loads_without_progress_;
  facts.namespaces = namespaces_;
  for (const auto& [id, row] : dags_) facts.dags.push_back(row);
  for (const auto& [name, row] : pools_) facts.pools.push_back(row);
  for (const auto& [id, row] : runs_) {
    if (core::IsTerminal(row.state)) continue;
    facts.runs.push_back(row);
    if (const auto tasks = tasks_.find(id); tasks != tasks_.end()) {
      for (const auto& [task, task_row] : tasks->second) facts.tasks.push_back(task_row);
    }
  }
  for (const core::TaskRow& task : facts.tasks) {
    if (!core::IsLive(task.state)) continue;
    const bool listed = std::any_of(facts.sessions.begin(), facts.sessions.end(),
                                    [&](const auto& s) { return s.info.id == task.session; });
    if (!listed) facts.sessions.push_back(sessions_.at(task.session));
  }
  return facts;
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

absl::StatusOr<core::LoadResult> StoreModel::TakeOver(SchedulerId self, Epoch seen_epoch) {
  if (epoch_ != seen_epoch) return absl::AbortedError("another scheduler was faster");
  epoch_ = Epoch(epoch_.value() + 1);
  owner_ = self;
  InsertFence(epoch_);
  return core::LoadResult{Load(), std::nullopt};
}

absl::StatusOr<core::LoadResult> StoreModel::Reload(Epoch epoch, FlushSeq in_doubt) {
  std::optional<bool> committed;
  if (in_doubt) {
    const auto it = fence_.find(in_doubt);
    if (it != fence_.end() && it->second != epoch) return absl::AbortedError("another owner");
    committed = it != fence_.end();
    if (mutation_ == Mutation::kUnknownIsFailed) committed = false;
    if (mutation_ == Mutation::kUnknownIsCommitted) committed = true;
  }
  if (epoch_ != epoch) return absl::AbortedError("another owner");
  InsertFence(epoch);
  return core::LoadResult{Load(), committed};
}

absl::Status StoreModel::Release(Epoch epoch) {
  if (epoch_ != epoch) return absl::AbortedError("another owner");
  owner_ = SchedulerId();
  return absl::OkStatus();
}

absl::StatusOr<store::IdBlock> StoreModel::TakeIds(Epoch epoch, int64_t count) {
  if (epoch_ != epoch) return absl::AbortedError("another owner");
  const RunId first(next_id_);
  next_id_ += count;
  return store::IdBlock{first, count};
}

absl::StatusOr<core::DomainFacts> StoreModel::LoadRun(RunId id) {
  const auto run = runs_.find(id);
  if (run == runs_.end()) return absl::NotFoundError("no such run");
  core::DomainFacts facts;
  facts.domain = domain_;
  facts.runs.push_back(run->second);
  if (const auto tasks = tasks_.find(id); tasks != tasks_.end()) {
    for (const auto& [task, row] : tasks->second) facts.tasks.push_back(row);
  }
  return facts;
}

// ---- Flush ----

absl::Status StoreModel::Check(const core::FlushBatch& batch, RunId* culprit) const {
  // Rows as they will be after the earlier sections of this batch.
  absl::flat_hash_map<core::TaskKey, core::TaskRow> changed;
  const auto current = [&](const core::TaskKey& key) -> const core::TaskRow* {
    const auto it = changed.find(key);
    return it != changed.end() ? &it->second : FindTask(key);
  };
  std::set<std::pair<DagId, std::string>> new_keys;
  for (const core::RunRow& run : batch.new_runs) {
    *culprit = run.id;
    if (runs_.contains(run.id)) return absl::AlreadyExistsError("run id");
    if (by_key_.contains({run.dag, run.key}) || !new_keys.insert({run.dag, run.key}).second) {
      return absl::AlreadyExistsError("run key");
    }
    if (!run.idempotency_key.empty() && mutation_ != Mutation::kForgetKeys &&
        by_idempotency_.contains(run.idempotency_key)) {
      return absl::AlreadyExistsError("idempotency key");
    }
  }
  for (const core::Completion& c : batch.completions) {
    *culprit = c.row.key.run;
    const core::TaskRow* row = current(c.row.key);
    if (row == nullptr || !core::IsLive(row->state)) return Stale("completion", c.row.key);
    if (row->attempt != c.row.attempt) return Stale("completion", c.row.key);
    changed[c.row.key] = c.row;
  }
  for (const core::Decision& d : batch.decisions) {
    *culprit = d.key.run;
    const core::TaskRow* row = current(d.key);
    if (row == nullptr ? d.attempt != 0 : (row->attempt != d.attempt || core::IsLive(row->state))) {
      return Stale("decision", d.key);
    }
    core::TaskRow after = row == nullptr ? core::TaskRow() : *row;
    after.key = d.key;
    after.state = d.state;
    changed[d.key] = after;
  }
  for (const core::Dispatch& d : batch.dispatches) {
    *culprit = d.key.run;
    const core::TaskRow* row = current(d.key);
    if (row == nullptr ? d.attempt != 1
                       : (row->attempt != d.attempt - 1 ||
                          (row->state != TaskState::kWaiting &&
                           row->state != TaskState::kUpForRetry))) {
      return Stale("dispatch", d.key);
    }
  }
  for (const core::RunUpdate& u : batch.run_updates) {
    *culprit = u.run;
    const core::RunRow* run = FindRun(u.run);
    if (run == nullptr || (core::IsTerminal(run->state) && !u.by_user)) {
      return absl::FailedPreconditionError("run update does not meet its row");
    }
  }
  *culprit = RunId();
  return absl::OkStatus();
}

core::FlushResult StoreModel::Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) {
  if (mutation_ == Mutation::kSkipFence) {
    while (fence_.contains(seq)) seq = FlushSeq(seq.value() + 1);
  } else if (fence_.contains(seq)) {
    return {core::FlushVerdict::kFenced, absl::AbortedError("fenced"), RunId()};
  }
  RunId culprit;
  if (absl::Status status = Check(batch, &culprit); !status.ok()) {
    return {core::FlushVerdict::kRejected, status, culprit};
  }
  if (on_commit) on_commit(batch);
  fence_[seq] = epoch;
  Write(epoch, batch);
  return {core::FlushVerdict::kCommitted, absl::OkStatus(), RunId()};
}

void StoreModel::Write(Epoch epoch, const core::FlushBatch& batch) {
  if (batch.made_progress) loads_without_progress_ = 0;
  for (const core::SessionInfo& info : batch.sessions) sessions_[info.id] = {info, epoch};
  for (const core::RunRow& run : batch.new_runs) {
    runs_[run.id] = run;
    by_key_[{run.dag, run.key}] = run.id;
    if (!run.idempotency_key.empty()) by_idempotency_.emplace(run.idempotency_key, run.id);
  }
  for (const core::DagUpdate& u : batch.dags) {
    if (u.deleted) dags_.erase(u.dag.id);
    else dags_[u.dag.id] = u.dag;
  }
  for (const core::PoolUpdate& u : batch.pools) {
    if (u.deleted) pools_.erase(u.pool.name);
    else pools_[u.pool.name] = u.pool;
  }
  for (const core::Completion& c : batch.completions) {
    tasks_[c.row.key.run][c.row.key.task] = c.row;
  }
  for (const core::Decision& d : batch.decisions) {
    core::TaskRow& row = tasks_[d.key.run][d.key.task];
    row.key = d.key;
    row.state = d.state;
    row.attempt = d.attempt;
    row.tries = d.tries;
    row.infra_tries = d.infra_tries;
    row.cause = d.cause;
    row.finished_us = d.finished_us;
  }
  for (const core::Dispatch& d : batch.dispatches) {
    core::TaskRow row;
    row.key = d.key;
    row.state = TaskState::kLeased;
    row.attempt = d.attempt;
    row.tries = d.tries;
    row.infra_tries = d.infra_tries;
    row.session = d.session;
    tasks_[d.key.run][d.key.task] = row;
  }
  for (const core::StartedMark& mark : batch.started) {
    core::TaskRow& row = tasks_[mark.key.run][mark.key.task];
    if (row.attempt != mark.attempt || row.state != TaskState::kLeased) continue;
    row.state = TaskState::kRunning;
    row.started_us = mark.started_us;
  }
  for (const core::RunUpdate& u : batch.run_updates) {
    core::RunRow& run = runs_[u.run];
    run.state = u.state;
    run.intent = u.intent;
    run.reason = u.reason;
    run.quarantined = u.quarantined;
    run.started_us = u.started_us;
    run.finished_us = u.finished_us;
  }
}

// ---- Looks ----

const core::RunRow* StoreModel::FindRun(RunId id) const {
  const auto it = runs_.find(id);
  return it == runs_.end() ? nullptr : &it->second;
}

const core::TaskRow* StoreModel::FindTask(const core::TaskKey& key) const {
  const auto run = tasks_.find(key.run);
  if (run == tasks_.end()) return nullptr;
  const auto task = run->second.find(key.task);
  return task == run->second.end() ? nullptr : &task->second;
}

const core::RunRow* StoreModel::FindByIdempotencyKey(const std::string& key) const {
  const auto it = by_idempotency_.find(key);
  return it == by_idempotency_.end() ? nullptr : FindRun(it->second);
}

int StoreModel::RunsWithKey(const std::string& key) const {
  return static_cast<int>(by_idempotency_.count(key));
}

int32_t StoreModel::PoolSlots(const std::string& name) const {
  const auto it = pools_.find(name);
  return it == pools_.end() ? 0 : it->second.slots;
}

}  // namespace penstock::sim
