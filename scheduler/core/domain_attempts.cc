// What becomes of an instance when its attempt ends.
#include <algorithm>

#include "scheduler/core/domain.h"
#include "scheduler/core/retry.h"

namespace penstock::core {
namespace {

// Losses that are not the task's doing; they have a budget of their own.
bool IsInfrastructure(Cause cause) {
  return cause == Cause::kWorkerLost || cause == Cause::kLeaseLost;
}

}  // namespace

void Domain::On(AttemptStarted& e, Now now) {
  const auto live = live_.find(e.ref.key);
  Run* run = FindRun(e.ref.key.run);
  if (run == nullptr || live == live_.end() || live->second.session != e.session) return;
  const Instance& inst = run->at(e.ref.key.task);
  if (!run->begun || inst.attempt != e.ref.attempt || inst.state != TaskState::kLeased) return;
  live->second.started_us = e.started_us;
  SetState(*run, static_cast<uint32_t>(e.ref.key.task), TaskState::kRunning, false);
  pending_marks_.push_back({e.ref.key, e.ref.attempt, now.steady + options_.started_after});
}

// Short attempts never get here: their start arrives with their end.
void Domain::MarkStarted(Now now) {
  while (!pending_marks_.empty() && pending_marks_.front().due <= now.steady && !BatchFull()) {
    const PendingMark mark = pending_marks_.front();
    const Run* run = FindRun(mark.key.run);
    if (run != nullptr && !MayTouch(*run)) break;
    pending_marks_.pop_front();
    const auto live = live_.find(mark.key);
    if (live == live_.end() || live->second.marked) continue;
    if (run->at(mark.key.task).attempt != mark.attempt) continue;
    live->second.marked = true;
    out_.batch.started.push_back({mark.key, mark.attempt, live->second.started_us});
  }
}

// A result counts only for the lease that it names; any other is acknowledged and forgotten.
void Domain::On(AttemptEnded& e, Now now) {
  const AttemptRef ref = e.result.ref;
  Run* run = FindRun(ref.key.run);
  if (run != nullptr && !run->begun) return;  // the worker keeps it, and says it again
  out_.acks.push_back({e.session, ref});
  const auto it = live_.find(ref.key);
  if (run == nullptr || it == live_.end() || it->second.session != e.session) return;
  if (run->at(ref.key.task).attempt != ref.attempt) return;
  if (it->second.dispatched_in == batch_number_) return;  // nobody can have been told of it yet
  const Live live = it->second;
  EndAttempt(*run, ref.key, live, e.result, now);
}

void Domain::On(AttemptHandedBack& e, Now now) {
  const auto it = live_.find(e.ref.key);
  Run* run = FindRun(e.ref.key.run);
  if (run == nullptr || it == live_.end() || it->second.session != e.session) return;
  if (!run->begun || run->at(e.ref.key.task).attempt != e.ref.attempt) return;
  LoseLease(e.ref.key, Cause::kHandedBack, now);
}

bool Domain::JudgeEnding(const Run& run, const Live& live, const AttemptResult& r, Now now,
                         TaskRow* row) const {
  if (r.outcome == Outcome::kSuccess) return row->state = TaskState::kSuccess, false;
  if (r.outcome == Outcome::kSkipped) return row->state = TaskState::kSkipped, false;
  const bool timed_out = run.row.intent == RunIntent::kTimeout;
  if (live.revoked || timed_out || run.row.intent == RunIntent::kCancel) {
    row->state = timed_out ? TaskState::kSkipped : TaskState::kCancelled;
    row->cause = timed_out ? Cause::kRunTimeout : Cause::kCancelled;
    return false;
  }
  if (r.cause == Cause::kHandedBack) return row->state = TaskState::kWaiting, false;
  if (IsInfrastructure(r.cause)) {
    const bool again = row->infra_tries < options_.infra_retries;
    row->infra_tries += again ? 1 : 0;
    row->state = again ? TaskState::kWaiting : TaskState::kFailed;
    return false;
  }
  const auto& retries =
      run.version->topology().spec(static_cast<uint32_t>(row->key.task)).settings->retries;
  const bool again = r.outcome != Outcome::kFailedNoRetry && row->tries < retries.max;
  row->tries += 1;
  row->state = again ? TaskState::kUpForRetry : TaskState::kFailed;
  if (again) {
    row->retry_at_us =
        absl::ToUnixMicros(now.wall + RetryDelay(retries, row->tries, row->key, row->attempt));
  }
  return true;
}

void Domain::EndAttempt(Run& run, const TaskKey& key, const Live& live, AttemptResult& r, Now now) {
  const auto task = static_cast<uint32_t>(key.task);
  Instance& inst = run.instances[task];
  TaskRow row;
  row.key = key;
  row.attempt = inst.attempt;
  row.tries = inst.tries;
  row.infra_tries = inst.infra_tries;
  row.session = live.session;
  row.started_us = r.started_us != 0 ? r.started_us : live.started_us;
  row.finished_us = r.finished_us != 0 ? r.finished_us : absl::ToUnixMicros(now.wall);
  row.cause = r.cause;
  row.exit_code = r.exit_code;
  row.signal = r.signal;
  row.peak_rss_kib = r.peak_rss_kib;
  row.cpu_ms = r.cpu_ms;
  const bool charged = JudgeEnding(run, live, r, now, &row);
  if (row.state == TaskState::kSkipped && row.cause == Cause::kRunTimeout) {
    run.timed_out.insert(task);
  }
  inst.tries = static_cast<uint16_t>(row.tries);
  inst.infra_tries = static_cast<uint8_t>(row.infra_tries);
  out_.batch.completions.push_back({row});
  const bool never_ran = r.cause == Cause::kHandedBack;
  if (!IsTerminal(row.state) && !never_ran) RecordAttempt(row, charged, r.error);
  if (IsTerminal(row.state) && (!r.output_json.empty() || !r.error.empty())) {
    out_.batch.outputs.push_back({key, row.attempt, std::move(r.output_json), std::move(r.error)});
  }
  out_.batch.made_progress = true;
  FreeLease(run, key, live);
  AfterEnd(run, key, row, now);
}

void Domain::RecordAttempt(const TaskRow& row, bool charged, const std::string& error) {
  AttemptRecord record{row, charged, error};
  record.row.state = TaskState::kFailed;
  out_.batch.attempts.push_back(std::move(record));
}

void Domain::FreeLease(Run& run, const TaskKey& key, const Live& live) {
  Session* session = sessions_.Find(live.session);
  admission_.Release(run.version->class_of(static_cast<uint32_t>(key.task)), session);
  if (session != nullptr) {
    session->leases.erase(key);
    if (session->lost && session->leases.empty()) sessions_.Remove(live.session);
  }
  live_.erase(key);
  --run.live;
}

void Domain::AfterEnd(Run& run, const TaskKey& key, const TaskRow& row, Now now) {
  const auto task = static_cast<uint32_t>(key.task);
  SetState(run, task, row.state, false);
  if (row.state == TaskState::kUpForRetry) {
    ArmRetryTimer(run, {row.retry_at_us, key, row.attempt}, now);
  } else if (row.state == TaskState::kWaiting) {
    // Judged anew, as after a load: a clear may have changed its upstream meanwhile.
    if (task < run.next_unjudged) JudgeInstance(run, task, now);
  } else {
    Propagated(run, task);
    Settle(run, now);
  }
  if (!run.finished && run.version->topology().dag().max_active_tasks > 0) UpdateHold(run, now);
  dispatch_due_ = true;
}

}  // namespace penstock::core
