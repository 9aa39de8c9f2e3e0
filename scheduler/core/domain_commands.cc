// What users decide. Each command is checked against the state, changes it, and is answered when
// the flush that carries it has been committed.
#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "fmt/format.h"
#include "scheduler/core/domain.h"

namespace penstock::core {
namespace {

absl::Status Refuse(absl::StatusCode code, const std::string& text) {
  return MakeStatus(code, text);
}
absl::Status NotFound(const std::string& text) { return Refuse(absl::StatusCode::kNotFound, text); }

}  // namespace

void Domain::On(Command& command, Now now) {
  Reply reply;
  reply.command = command.id;
  const bool done =
      std::visit([&](const auto& body) { return Do(body, command, &reply, now); }, command.body);
  if (!done) {
    held_commands_.push_back(std::move(command));
    return;
  }
  if (command.inbox_id != 0) out_.batch.inbox_done.push_back(command.inbox_id);
  if (reply.status.ok()) out_.batch.made_progress = true;
  if (command.id) out_.replies.push_back(std::move(reply));
}

void Domain::On(IdsGranted& e, Now now) {
  next_id_ = e.first;
  ids_left_ = e.count;
  RetryHeld(now);
}

void Domain::On(VersionLoaded& e, Now now) {
  AddVersion(e.version, e.topology);
  RetryHeld(now);
}

// In their order: a command that still has to wait goes to the end of the line of those that do.
void Domain::RetryHeld(Now now) {
  std::deque<Command> held;
  held.swap(held_commands_);
  for (Command& command : held) On(command, now);
}

void Domain::Audit(const Command& command, std::string action, std::string subject, Now now) {
  out_.batch.audit.push_back(
      {std::move(action), std::move(subject), command.actor, absl::ToUnixMicros(now.wall)});
}

// ---- Runs ----

absl::Status Domain::CheckPools(const dag::Topology& topology) const {
  std::string problems;
  absl::flat_hash_set<const dag::TaskSettings*> seen;
  for (uint32_t t = 0; t < topology.task_count(); ++t) {
    const dag::TaskSettings& s = *topology.spec(t).settings;
    if (s.pool.empty() || !seen.insert(&s).second) continue;
    const Pool* pool = admission_.FindPool(s.pool);
    const std::string& task = topology.spec(t).id;
    if (pool == nullptr) {
      problems += fmt::format(
          "; task {} uses pool {}, which does not exist (create it: penstock "
          "pool set {} SLOTS)",
          task, s.pool, s.pool);
    } else if (pool->row.slots > 0 && s.pool_slots > pool->row.slots) {
      problems += fmt::format("; task {} asks for {} slots of pool {}, which has {}", task,
                              s.pool_slots, s.pool, pool->row.slots);
    }
  }
  if (problems.empty()) return absl::OkStatus();
  return Refuse(absl::StatusCode::kFailedPrecondition, problems.substr(2));
}

absl::Status Domain::CheckBacklog(const CreateRuns& c) const {
  int64_t bytes = backlog_bytes_;
  for (const NewRun& run : c.runs) bytes += BacklogBytes(run.key, run.params_json, run.note);
  if (bytes <= options_.max_backlog_bytes) return absl::OkStatus();
  return Refuse(absl::StatusCode::kResourceExhausted,
                fmt::format("{} runs of this domain are unfinished, which is all that it takes: "
                            "submit more when some have ended",
                            runs_.size()));
}

const Run* Domain::FindByKeys(const NewRun& wanted) const {
  const auto it = by_idempotency_.find({wanted.dag, wanted.idempotency_key});
  return it == by_idempotency_.end() ? nullptr : FindRun(it->second);
}

absl::Status Domain::CheckNewRun(const NewRun& wanted, const DagState& dag) const {
  const bool keyed =
      !wanted.key.empty() || !wanted.idempotency_key.empty() || wanted.logical_date_us != 0;
  if (keyed && wanted.looked_up < loaded_at_) {
    return absl::AbortedError("the keys were looked up before the domain was loaded");
  }
  if (!wanted.key.empty() && by_key_.contains({wanted.dag, wanted.key})) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  fmt::format("DAG {} already has a run with key {}", dag.row.name, wanted.key));
  }
  if (wanted.logical_date_us != 0 &&
      by_logical_date_.contains({wanted.dag, wanted.logical_date_us})) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  fmt::format("DAG {} already has a run for logical date {}", dag.row.name,
                              absl::FormatTime(absl::RFC3339_sec,
                                               absl::FromUnixMicros(wanted.logical_date_us),
                                               absl::UTCTimeZone())));
  }
  return CheckPools(versions_.at(dag.row.version)->topology());
}

RunRow Domain::CreateRun(const NewRun& wanted, DagState& dag, Now now) {
  RunRow row;
  row.id = next_id_;
  next_id_ = RunId(next_id_.value() + 1);
  --ids_left_;
  row.dag = wanted.dag;
  row.version = dag.row.version;
  row.key = wanted.key.empty() ? fmt::format("run-{}", row.id.value()) : wanted.key;
  row.idempotency_key = wanted.idempotency_key;
  row.logical_date_us = wanted.logical_date_us;
  row.params_json = wanted.params_json;
  row.note = wanted.note;
  row.created_us = absl::ToUnixMicros(now.wall);
  Run& run = AddRun(row, versions_.at(row.version));
  run.begun = true;
  run.new_run_batch = batch_number_;
  run.new_run_index = out_.batch.new_runs.size();
  out_.batch.new_runs.push_back(row);
  dag.queued.insert(row.id);
  StartQueued(dag, now);
  return run.row;
}

bool Domain::Do(const CreateRuns& c, const Command& command, Reply* reply, Now now) {
  // A request from the inbox was accepted when its transaction committed.
  if (command.inbox_id == 0) reply->status = CheckBacklog(c);
  if (!reply->status.ok()) return true;
  for (const NewRun& wanted : c.runs) {
    const auto dag = dags_.find(wanted.dag);
    if (dag == dags_.end()) {
      reply->status = NotFound("the DAG does not exist any more");
      return true;
    }
    if (!versions_.contains(dag->second.row.version)) {
      wanted_versions_.insert(dag->second.row.version);
      return false;
    }
    if (FindByKeys(wanted) != nullptr) continue;
    if (by_idempotency_.contains({wanted.dag, wanted.idempotency_key})) continue;
    reply->status = CheckNewRun(wanted, dag->second);
    if (!reply->status.ok()) return true;
  }
  if (ids_left_ < static_cast<int64_t>(c.runs.size())) return false;
  for (const NewRun& wanted : c.runs) {
    const auto known = by_idempotency_.find({wanted.dag, wanted.idempotency_key});
    const bool existed = !wanted.idempotency_key.empty() && known != by_idempotency_.end();
    if (!existed) {
      reply->runs.push_back(CreateRun(wanted, dags_.at(wanted.dag), now));
    } else if (const Run* run = FindRun(known->second)) {
      reply->runs.push_back(run->row);
    } else {
      RunRow ended;  // the row itself is in the database only
      ended.id = known->second;
      ended.dag = wanted.dag;
      reply->runs.push_back(std::move(ended));
    }
    reply->existed.push_back(existed);
  }
  return true;
}

bool Domain::Do(const CancelRun& c, const Command& command, Reply* reply, Now now) {
  Run* run = FindRun(c.run);
  if (run == nullptr) {
    reply->status = Refuse(absl::StatusCode::kFailedPrecondition, "the run has already ended");
    return true;
  }
  Audit(command, "run.cancel", run->row.key, now);
  if (run->row.state == RunState::kQueued) {
    FinishRun(*run, RunState::kCancelled, "cancelled by a user while queued", now);
  } else if (run->row.intent != RunIntent::kCancel || run->row.quarantined) {
    SetIntent(*run, RunIntent::kCancel, "cancelled by a user", now);
  }
  reply->runs.push_back(run->row);
  return true;
}

// True when `loaded` is what the run's latest ending left behind. Rows that were read earlier would
// bring attempts back that have ended since.
bool Domain::ShowsEnding(const DomainFacts& loaded) const {
  if (loaded.runs.empty() || !IsTerminal(loaded.runs.front().state)) return false;
  const RunRow& row = loaded.runs.front();
  const auto known = std::find_if(recent_.rbegin(), recent_.rend(),
                                  [&](const RunRow& recent) { return recent.id == row.id; });
  return known == recent_.rend() ||
         (known->state == row.state && known->finished_us == row.finished_us);
}

bool Domain::Do(const RetryRun& c, const Command& command, Reply* reply, Now now) {
  Run* run = FindRun(c.run);
  if (run == nullptr) {
    if (c.loaded == nullptr || !ShowsEnding(*c.loaded)) {
      reply->status = Refuse(absl::StatusCode::kAborted,
                             "the run has ended since it was looked up: retry it again");
      return true;
    }
    const RunRow& row = c.loaded->runs.front();
    if (!versions_.contains(row.version)) {
      wanted_versions_.insert(row.version);
      return false;
    }
    if (row.state == RunState::kSuccess) {
      reply->status = Refuse(absl::StatusCode::kFailedPrecondition,
                             "the run succeeded: there is nothing to retry");
      return true;
    }
    run = &AddRun(row, versions_.at(row.version));
    run->begun = true;
    for (const TaskRow& task : c.loaded->tasks) LoadTask(*run, task);
    run->row.state = RunState::kQueued;
    run->row.finished_us = 0;
    run->row.started_us = 0;
    run->row.intent = RunIntent::kRetry;
    run->row.reason.clear();
    run->row.quarantined = false;
    DagState& dag = dags_.at(row.dag);
    dag.queued.insert(row.id);
    WriteRun(*run, /*by_user=*/true);
    StartQueued(dag, now);
  } else if (run->row.state == RunState::kRunning && run->row.intent == RunIntent::kNone) {
    SetIntent(*run, RunIntent::kRetry, "", now);
  } else if (run->row.quarantined) {  // it goes on where it was set aside
    Release(*run, now);
    run->row.reason.clear();
    WriteRun(*run, /*by_user=*/true);
    StartQueued(dags_.at(run->row.dag), now);
  } else if (run->row.state == RunState::kRunning && run->row.intent != RunIntent::kRetry) {
    reply->status = Refuse(absl::StatusCode::kFailedPrecondition,
                           "the run is being cancelled: retry it when it has ended");
    return true;
  }
  Audit(command, "run.retry", run->row.key, now);
  reply->runs.push_back(run->row);
  return true;
}

// ---- DAGs ----

bool Domain::Do(const ApplyDag& c, const Command& command, Reply* reply, Now now) {
  reply->status = CheckPools(*c.topology);
  if (!reply->status.ok()) return true;
  AddVersion(c.dag.version, c.topology);
  DagState& dag = dags_[c.dag.id];
  const bool paused = dag.row.paused;
  dag.row = c.dag;
  dag.row.paused = paused;
  out_.batch.dags.push_back({dag.row, false});
  Audit(command, "dag.apply", c.dag.name, now);
  StartQueued(dag, now);
  return true;
}

bool Domain::Do(const SetDagPaused& c, const Command& command, Reply* reply, Now now) {
  const auto it = dags_.find(c.dag);
  if (it == dags_.end()) {
    reply->status = NotFound("the DAG does not exist any more");
    return true;
  }
  DagState& dag = it->second;
  dag.row.paused = c.paused;
  out_.batch.dags.push_back({dag.row, false});
  Audit(command, c.paused ? "dag.pause" : "dag.resume", dag.row.name, now);
  for (RunId id : dag.running) UpdateHold(*runs_.at(id), now);
  StartQueued(dag, now);
  return true;
}

bool Domain::Do(const DeleteDag& c, const Command& command, Reply* reply, Now now) {
  const auto it = dags_.find(c.dag);
  if (it == dags_.end()) {
    reply->status = NotFound("the DAG does not exist any more");
    return true;
  }
  const size_t unfinished = it->second.running.size() + it->second.queued.size();
  if (unfinished > 0) {
    reply->status = Refuse(
        absl::StatusCode::kFailedPrecondition,
        fmt::format("DAG {} has {} unfinished run(s): cancel them or wait for their end first",
                    it->second.row.name, unfinished));
    return true;
  }
  out_.batch.dags.push_back({it->second.row, true});
  Audit(command, "dag.delete", it->second.row.name, now);
  dags_.erase(it);
  return true;
}

// ---- Limits and the fleet ----

bool Domain::Do(const SetPool& c, const Command& command, Reply*, Now now) {
  admission_.SetPool(c.pool);
  out_.batch.pools.push_back({c.pool, false});
  Audit(command, "pool.set", fmt::format("{}={}", c.pool.name, c.pool.slots), now);
  return true;
}

bool Domain::Do(const DeletePool& c, const Command& command, Reply* reply, Now now) {
  const Pool* pool = admission_.FindPool(c.name);
  if (pool == nullptr) {
    reply->status = NotFound(fmt::format("pool {} does not exist", c.name));
    return true;
  }
  const PoolRow row = pool->row;
  if (!admission_.DeletePool(c.name)) {
    reply->status = Refuse(absl::StatusCode::kFailedPrecondition,
                           fmt::format("pool {} is in use by running or ready tasks", c.name));
    return true;
  }
  out_.batch.pools.push_back({row, true});
  Audit(command, "pool.delete", c.name, now);
  return true;
}

bool Domain::Do(const AddNamespace& c, const Command&, Reply*, Now) {
  namespaces_[c.ns.id] = c.ns;
  admission_.SetNamespaceWeight(c.ns.id, c.ns.weight);
  return true;
}

bool Domain::Do(const DrainWorker& c, const Command&, Reply* reply, Now) {
  for (const auto& [id, session] : sessions_.all()) {
    if (session->info.name != c.name || session->lost) continue;
    session->draining = true;
    out_.drains.push_back({id});
    ++reply->sessions;
  }
  return true;
}

}  // namespace penstock::core
