#include "tests/integration/store_sequence.h"

#include <algorithm>

#include "fmt/format.h"

namespace penstock::testing {

using core::FlushBatch;
using core::RunState;
using core::TaskKey;
using core::TaskRow;
using core::TaskState;

RunId StoreSequence::AnyRun() {
  if (runs_.empty() || random_.OneIn(10)) return RunId(7);
  return runs_[random_.Below(runs_.size())];
}

std::string StoreSequence::Text() {
  static constexpr const char* kPieces[] = {"a", "\"", "\\", "{", ",", "NULL", " ", "ü"};
  std::string text;
  for (uint64_t i = random_.Below(5); i > 0; --i) text += kPieces[random_.Below(8)];
  return text;
}

void StoreSequence::AddSession(FlushBatch* batch) {
  core::SessionInfo info;
  info.id = Session();
  info.name = Text();
  info.group = Text();
  for (uint64_t i = random_.Below(3); i > 0; --i) info.queues.push_back(Text());
  for (uint64_t i = random_.Below(3); i > 0; --i) info.labels[Text()] = Text();
  for (uint64_t i = random_.Below(3); i > 0; --i) info.custom_resources[Text()] = Number();
  info.cpu_millis = random_.OneIn(2) ? Number() : 0;
  info.memory_bytes = random_.OneIn(2) ? Number() : 0;
  info.slots = Small();
  info.started_us = Number();
  info.version = Text();
  batch->sessions.push_back(std::move(info));
}

// Mostly with keys of its own, now and then with one that may be taken.
void StoreSequence::AddRun(FlushBatch* batch) {
  if (ids_.count == 0) return;
  core::RunRow run;
  run.id = ids_.first;
  ids_ = {RunId(ids_.first.value() + 1), ids_.count - 1};
  run.dag = Dag();
  run.version = VersionId(1 + Small());
  run.key =
      random_.OneIn(12) ? fmt::format("shared {}", Small()) : fmt::format("key {}", runs_.size());
  if (random_.OneIn(3)) run.idempotency_key = fmt::format("once {}", random_.Below(60));
  if (random_.OneIn(4)) run.logical_date_us = 1 + static_cast<int64_t>(random_.Below(60));
  run.params_json = Text();
  run.note = Text();
  run.state = random_.OneIn(2) ? RunState::kRunning : RunState::kQueued;
  run.quarantined = random_.OneIn(5);
  run.reason = Text();
  run.created_us = Number();
  run.started_us = random_.OneIn(2) ? Number() : 0;
  runs_.push_back(run.id);
  batch->new_runs.insert(batch->new_runs.begin(), std::move(run));  // not in the order of ids
}

void StoreSequence::AddDag(FlushBatch* batch) {
  core::DagUpdate update;
  update.dag.id = Dag();
  update.dag.ns = ns_;
  update.dag.name = fmt::format("dag {}", random_.Below(7));
  update.dag.paused = random_.OneIn(2);
  update.dag.version = VersionId(Small());
  update.dag.max_active_runs = Small();
  update.deleted = random_.OneIn(4);
  batch->dags.push_back(std::move(update));
}

void StoreSequence::AddPool(FlushBatch* batch) {
  core::PoolUpdate update;
  update.pool.name = fmt::format("{}pool", random_.OneIn(2) ? "Z" : "a");
  update.pool.slots = Small();
  update.pool.description = Text();
  update.deleted = random_.OneIn(3);
  batch->pools.push_back(std::move(update));
}

void StoreSequence::Complete(TaskRow& row, FlushBatch* batch) {
  static constexpr TaskState kEnds[] = {TaskState::kSuccess, TaskState::kFailed,
                                        TaskState::kUpForRetry, TaskState::kWaiting};
  row.state = kEnds[random_.Below(4)];
  row.tries = Small();
  row.infra_tries = Small();
  row.started_us = random_.OneIn(3) ? 0 : Number();
  row.finished_us = Number();
  row.peak_rss_kib = random_.OneIn(2) ? Number() : 0;
  row.cpu_ms = random_.OneIn(2) ? Number() : 0;
  const bool well = row.state == TaskState::kSuccess;
  row.retry_at_us = row.state == TaskState::kUpForRetry ? Number() : 0;
  row.cause = well ? core::Cause::kNone : static_cast<core::Cause>(random_.Below(14));
  row.exit_code = well ? 0 : Small() - 2;
  row.signal = well ? 0 : Small();
  batch->completions.push_back({row});
  if (row.state == TaskState::kUpForRetry) batch->attempts.push_back({row, true, Text()});
  if (well) batch->outputs.push_back({row.key, row.attempt, "{" + Text(), Text()});
}

void StoreSequence::Decide(TaskRow& row, FlushBatch* batch) {
  static constexpr TaskState kTo[] = {TaskState::kWaiting, TaskState::kWaiting, TaskState::kSkipped,
                                      TaskState::kCancelled};
  row.state = kTo[random_.Below(4)];
  row.tries = Small();
  row.infra_tries = Small();
  row.cause = static_cast<core::Cause>(random_.Below(14));
  row.finished_us = row.state == TaskState::kWaiting ? 0 : Number();
  batch->decisions.push_back(
      {row.key, row.state, row.attempt, row.tries, row.infra_tries, row.cause, row.finished_us});
}

void StoreSequence::Dispatch(RunId run, Rows& rows, FlushBatch* batch) {
  const TaskKey key{run, Small() * 7, Small() - 1};
  const bool is_new = !rows.contains(key);
  TaskRow& row = rows[key];
  if (!is_new && row.state != TaskState::kWaiting && row.state != TaskState::kUpForRetry) return;
  row.key = key;
  row.state = TaskState::kLeased;
  ++row.attempt;
  const bool unknown = random_.OneIn(30);
  row.session = unknown ? SessionId(first_id_ + 9) : Session();
  const bool fresh = random_.OneIn(is_new ? 2 : 40);  // now and then it is wrong about that
  batch->dispatches.push_back({key, row.attempt, Small(), Small(), row.session, false, fresh});
}

void StoreSequence::MarkStarted(TaskRow& row, FlushBatch* batch) {
  // Sometimes for an attempt that is over: that is no error.
  const int32_t attempt = random_.OneIn(6) ? row.attempt - 1 : row.attempt;
  if (attempt < 1) return;
  batch->started.push_back({row.key, attempt, Number()});
}

void StoreSequence::UpdateRun(const core::RunRow& run, FlushBatch* batch) {
  static constexpr RunState kTo[] = {RunState::kQueued, RunState::kRunning, RunState::kSuccess,
                                     RunState::kFailed};
  core::RunUpdate update;
  update.run = run.id;
  update.state = kTo[random_.Below(4)];
  update.intent = static_cast<core::RunIntent>(random_.Below(4));
  update.reason = Text();
  update.quarantined = random_.OneIn(4);
  update.started_us = random_.OneIn(2) ? Number() : 0;
  if (IsTerminal(update.state)) {
    update.finished_us = kLastDays + static_cast<int64_t>(random_.Below(1000));
  }
  update.by_user = IsTerminal(run.state) || random_.OneIn(8);
  batch->run_updates.push_back(std::move(update));
}

FlushBatch StoreSequence::Batch() {
  FlushBatch batch;
  batch.made_progress = random_.OneIn(2);
  for (uint64_t i = random_.Below(3); i > 0; --i) AddRun(&batch);
  if (random_.OneIn(3)) AddSession(&batch);
  if (random_.OneIn(5)) AddDag(&batch);
  if (random_.OneIn(12)) AddDag(&batch);
  if (random_.OneIn(5)) AddPool(&batch);
  const core::DomainFacts facts = model_.Facts();
  Rows rows;
  for (const TaskRow& row : facts.tasks) rows[row.key] = row;
  std::vector<TaskKey> known;
  for (auto& [key, row] : rows) {
    known.push_back(key);
    if (IsLive(row.state) && random_.OneIn(2)) Complete(row, &batch);
  }
  for (auto& [key, row] : rows) {
    if (!IsLive(row.state) && random_.OneIn(6)) Decide(row, &batch);
  }
  for (const core::RunRow& run : facts.runs) {
    for (uint64_t i = random_.Below(4); i > 0; --i) Dispatch(run.id, rows, &batch);
  }
  for (const core::RunRow& run : batch.new_runs) Dispatch(run.id, rows, &batch);
  for (auto& [key, row] : rows) {
    if (random_.OneIn(5)) MarkStarted(row, &batch);
  }
  for (const auto& [id, run] : model_.runs()) {
    if (random_.OneIn(IsTerminal(run.state) ? 15 : 6)) UpdateRun(run, &batch);
  }
  if (!batch.new_runs.empty() && random_.OneIn(10)) UpdateRun(batch.new_runs[0], &batch);
  if (!inbox_.empty() && random_.OneIn(5)) {
    batch.inbox_done.push_back(inbox_.back());
    if (random_.OneIn(2)) inbox_.pop_back();  // else it will be said again
  }
  if (random_.OneIn(5)) batch.audit.push_back({"test.act", Text(), Text(), Number()});
  if (random_.OneIn(7)) Spoil(rows, &batch);
  return batch;
}

// One row that does not meet the database, or no row of the database at all.
void StoreSequence::Spoil(const Rows& rows, FlushBatch* batch) {
  const TaskKey nowhere{runs_.empty() ? ids_.first : runs_[random_.Below(runs_.size())], 901, -1};
  switch (random_.Below(9)) {
    case 0:
      for (core::Completion& c : batch->completions) ++c.row.attempt;
      break;
    case 1:
      for (core::Decision& d : batch->decisions) --d.attempt;
      break;
    case 2:
      if (!batch->dispatches.empty()) ++batch->dispatches[0].attempt;
      break;
    case 3:
      batch->run_updates.push_back({RunId(5), RunState::kFailed, {}, "", false, 0, 0, true});
      break;
    case 4:
      if (!batch->new_runs.empty()) batch->new_runs[0].id = runs_[random_.Below(runs_.size())];
      break;
    case 5:
      batch->inbox_done.push_back(1'000'000'000);
      break;
    case 6:
      batch->started = {{nowhere, 1, Number()}};
      break;
    case 7: {
      TaskRow row;
      row.key = nowhere;
      row.attempt = 1;
      batch->completions.push_back({row});
      break;
    }
    default:
      for (const auto& [key, row] : rows) {
        const bool decided =
            std::any_of(batch->decisions.begin(), batch->decisions.end(),
                        [&where = row.key](const core::Decision& d) { return d.key == where; });
        if (!IsLive(row.state) || decided) continue;
        batch->decisions.push_back({key, TaskState::kSkipped, row.attempt, 0, 0, {}, 1});
        break;
      }
  }
}

}  // namespace penstock::testing
