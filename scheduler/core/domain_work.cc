// Sliced work: whatever follows from events and may be long is done here, a little at a time.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "fmt/format.h"
#include "scheduler/core/domain.h"

namespace penstock::core {
namespace {

constexpr int kSlice = 10'000;  // edges or instances looked at in one call of Work

uint8_t SeenBit(TaskState ended) {
  switch (ended) {
    case TaskState::kSuccess:
      return kSeenSuccess;
    case TaskState::kSkipped:
      return kSeenSkipped;
    case TaskState::kUpstreamFailed:
      return kSeenUpstreamFailed;
    default:
      return kSeenFailed;  // failed, or cancelled: downstream of it nothing succeeds
  }
}

// Rows have the wall clock's times, which another owner reads. From here on the steady clock
// counts: setting a clock moves a timer only where the domain is loaded, and never beyond
// `at_most`.
SteadyTime SteadyTimeOf(int64_t at_us, absl::Duration at_most, Now now) {
  return now.steady +
         std::clamp(absl::FromUnixMicros(at_us) - now.wall, absl::ZeroDuration(), at_most);
}

}  // namespace

bool Domain::Work(Now now) {
  int budget = kSlice;
  RunDeferredLosses(now);
  JudgeSessions(now);
  RunTimers(now);
  MarkStarted(now);
  bool more = Initialise(now, &budget);
  more |= Propagate(now, &budget);
  more |= Sweep(now, &budget);
  more |= Propagate(now, &budget);
  if (dispatch_due_ || more) more |= Dispatch(now);
  RemoveFinished();
  return more && !BatchFull();
}

void Domain::RunDeferredLosses(Now now) {
  if (deferred_losses_.empty()) return;
  std::vector<std::pair<TaskKey, Cause>> losses;
  losses.swap(deferred_losses_);
  for (const auto& [key, cause] : losses) {
    if (live_.contains(key)) LoseLease(key, cause, now);
  }
}

void Domain::JudgeSessions(Now now) {
  for (SessionId id : sessions_.Lost(now.steady)) LoseSession(id, now);
}

void Domain::RunTimers(Now now) {
  while (!retry_timers_.empty() && retry_timers_.top().at <= now.steady) {
    const RetryTimer timer = retry_timers_.top();
    Run* run = FindRun(timer.key.run);
    if (run != nullptr && !MayTouch(*run)) break;
    retry_timers_.pop();
    if (run == nullptr) continue;
    const Instance& inst = run->at(timer.key.task);
    if (inst.state != TaskState::kUpForRetry || inst.attempt != timer.attempt) continue;
    MakeReady(*run, static_cast<uint32_t>(timer.key.task), now);
  }
  while (!run_timers_.empty() && run_timers_.top().at <= now.steady) {
    Run* run = FindRun(run_timers_.top().run);
    if (run != nullptr && !MayTouch(*run)) break;
    run_timers_.pop();
    if (run == nullptr || run->row.intent != RunIntent::kNone) continue;
    const absl::Duration limit = run->version->topology().dag().run_timeout;
    SetIntent(*run, RunIntent::kTimeout,
              fmt::format("the run's timeout of {} passed", absl::FormatDuration(limit)), now);
  }
}

// ---- Runs ----

void Domain::ArmRetryTimer(const Run& run, const RetryTime& retry, Now now) {
  const dag::Retries& retries =
      run.version->topology().spec(static_cast<uint32_t>(retry.key.task)).settings->retries;
  retry_timers_.push({SteadyTimeOf(retry.at_us, retries.ceiling, now), retry.key, retry.attempt});
}

void Domain::ArmRunTimer(const Run& run, Now now) {
  const absl::Duration timeout = run.version->topology().dag().run_timeout;
  if (timeout == absl::ZeroDuration()) return;
  const int64_t end_us = run.row.started_us + absl::ToInt64Microseconds(timeout);
  run_timers_.push({SteadyTimeOf(end_us, timeout, now), run.row.id});
}

void Domain::StartRun(Run& run, Now now) {
  run.begun = true;
  for (const RetryTime& retry : std::exchange(run.retries, {})) ArmRetryTimer(run, retry, now);
  run.instances.resize(run.task_count());
  run.propagated.resize(run.task_count());
  ArmRunTimer(run, now);
  initialising_.insert(run.row.id);
  if (run.row.intent != RunIntent::kNone) {
    run.sweeping = true;
    sweeping_.insert(run.row.id);
  }
  UpdateHold(run, now);
}

bool Domain::MayStart(const DagState& dag) {
  const int32_t limit = dag.row.max_active_runs;
  return !dag.row.paused && !dag.queued.empty() && (limit == 0 || dag.active < limit);
}

void Domain::StartQueued(DagState& dag, Now now) {
  while (MayStart(dag)) {
    Run& run = *runs_.at(*dag.queued.begin());
    if (!MayTouch(run)) return;
    dag.queued.erase(dag.queued.begin());
    dag.running.insert(run.row.id);
    ++dag.active;
    run.row.state = RunState::kRunning;
    if (run.row.started_us == 0) run.row.started_us = absl::ToUnixMicros(now.wall);
    WriteRun(run);
    StartRun(run, now);
  }
}

void Domain::UpdateHold(Run& run, Now now) {
  const auto& spec = run.version->topology().dag();
  const bool at_limit = spec.max_active_tasks > 0 && run.live >= spec.max_active_tasks;
  const bool held = run.row.state != RunState::kRunning || run.row.quarantined ||
                    run.row.intent != RunIntent::kNone || dags_.at(run.row.dag).row.paused ||
                    at_limit;
  admission_.Hold(run, held, now.steady);
}

// Ends the run when nothing of it is unfinished, under way, or still to be counted.
void Domain::Settle(Run& run, Now now) {
  if (run.finished || run.row.state != RunState::kRunning || run.row.quarantined) return;
  if (run.unfinished() != 0 || !run.initialised() || run.sweeping) return;
  if (run.pending_propagations != 0) return;
  if (run.row.intent == RunIntent::kCancel) {
    FinishRun(run, RunState::kCancelled, run.row.reason, now);
    return;
  }
  if (run.row.intent == RunIntent::kTimeout) {
    FinishRun(run, RunState::kFailed, run.row.reason, now);
    return;
  }
  const auto& topology = run.version->topology();
  for (uint32_t leaf : topology.leaves()) {
    const TaskState state = run.instances[leaf].state;
    if (state == TaskState::kSuccess || state == TaskState::kSkipped) continue;
    FinishRun(run, RunState::kFailed,
              fmt::format("task {} is {}", topology.spec(leaf).id, ToString(state)), now);
    return;
  }
  FinishRun(run, RunState::kSuccess, "", now);
}

void Domain::FinishRun(Run& run, RunState state, std::string reason, Now now) {
  run.row.state = state;
  run.row.intent = RunIntent::kNone;
  run.row.reason = std::move(reason);
  run.row.finished_us = absl::ToUnixMicros(now.wall);
  WriteRun(run);
  admission_.Forget(run);
  run.finished = true;
  finished_.push_back(run.row.id);
  DagState& dag = dags_.at(run.row.dag);
  dag.queued.erase(run.row.id);
  if (dag.running.erase(run.row.id) > 0) --dag.active;
  StartQueued(dag, now);
}

// Ended runs leave memory. The keys that were given to them stay for a while, so that a repeated
// submit whose look-up was too early is still recognised.
void Domain::RemoveFinished() {
  constexpr size_t kRecent = 10'000;
  for (RunId id : finished_) {
    const auto it = runs_.find(id);
    initialising_.erase(id);
    sweeping_.erase(id);
    RunRow row = std::move(it->second->row);
    runs_.erase(it);
    backlog_bytes_ -= BacklogBytes(row.key, row.params_json, row.note);
    row.params_json.clear();
    recent_.push_back(std::move(row));
  }
  finished_.clear();
  while (recent_.size() > kRecent) {
    if (!runs_.contains(recent_.front().id)) ForgetKeys(recent_.front());
    recent_.pop_front();
  }
}

// ---- Instances ----

// Counters from the upstream endings that have been told everywhere; the others will come.
void Domain::CountUpstream(Run& run, uint32_t task) {
  Instance& inst = run.instances[task];
  inst.remaining = 0;
  inst.seen = 0;
  for (uint32_t up : run.version->topology().upstream(task)) {
    if (run.propagated[up]) {
      inst.seen = static_cast<uint8_t>((inst.seen | SeenBit(run.instances[up].state)) & 0xF);
    } else {
      ++inst.remaining;
    }
  }
}

bool Domain::Initialise(Now now, int* budget) {
  while (!initialising_.empty() && *budget > 0 && !BatchFull()) {
    Run& run = *runs_.at(*initialising_.begin());
    while (!run.initialised() && *budget > 0 && !BatchFull()) {
      const uint32_t task = run.next_unjudged++;
      CountUpstream(run, task);
      *budget -= 1 + static_cast<int>(run.version->topology().upstream(task).size());
      JudgeInstance(run, task, now);
      dispatch_due_ = true;
    }
    if (!run.initialised()) return true;
    initialising_.erase(run.row.id);
    for (uint32_t task : run.parked) propagations_.push_back({run.row.id, task});
    run.parked.clear();
    Settle(run, now);
    RemoveFinished();
  }
  return !initialising_.empty();
}

void Domain::JudgeInstance(Run& run, uint32_t task, Now now) {
  const Instance& inst = run.instances[task];
  if (inst.state != TaskState::kWaiting || run.row.intent != RunIntent::kNone) return;
  const auto& topology = run.version->topology();
  const auto total = static_cast<uint32_t>(topology.upstream(task).size());
  switch (dag::Judge(topology.trigger_rule(task), inst.View(total))) {
    case dag::Judgement::kWait:
      return;
    case dag::Judgement::kRun:
      if (run.version->completes_here(task)) {
        Decide(run, task, TaskState::kSuccess, Cause::kNone, now);
      } else {
        MakeReady(run, task, now);
      }
      return;
    case dag::Judgement::kSkip:
      Decide(run, task, TaskState::kSkipped, Cause::kNone, now);
      return;
    case dag::Judgement::kUpstreamFailed:
      Decide(run, task, TaskState::kUpstreamFailed, Cause::kNone, now);
      return;
  }
}

void Domain::MakeReady(Run& run, uint32_t task, Now now) {
  SetState(run, task, TaskState::kReady, false);
  admission_.Enter(run, task, now.steady);
  dispatch_due_ = true;
}

// An ending decided here, without a worker.
void Domain::Decide(Run& run, uint32_t task, TaskState state, Cause cause, Now now) {
  if (run.instances[task].state == TaskState::kReady) admission_.Leave(run, task);
  SetState(run, task, state, false);
  WriteDecision(run, task, state, cause, absl::ToUnixMicros(now.wall));
  Propagated(run, task);
}

// Queues the news of an ending for the downstream instances. A run that is being cancelled has no
// use for it: its sweep decides all of them.
void Domain::Propagated(Run& run, uint32_t task) {
  if (run.row.intent == RunIntent::kCancel || run.row.intent == RunIntent::kTimeout) {
    run.propagated[task] = true;
    return;
  }
  ++run.pending_propagations;
  if (run.initialised()) {
    propagations_.push_back({run.row.id, task});
  } else {
    run.parked.push_back(task);
  }
}

bool Domain::Propagate(Now now, int* budget) {
  while (!propagations_.empty() && *budget > 0 && !BatchFull()) {
    Propagation& news = propagations_.front();  // appending to a deque moves nothing
    Run* run = FindRun(news.run);
    if (run == nullptr) {
      propagations_.pop_front();
      continue;
    }
    const auto downstream = run->version->topology().downstream(news.task);
    const uint8_t bit = SeenBit(run->instances[news.task].state);
    while (news.next_edge < downstream.size() && *budget > 0 && !BatchFull()) {
      const uint32_t task = downstream[news.next_edge++];
      Instance& inst = run->instances[task];
      --inst.remaining;
      inst.seen = static_cast<uint8_t>((inst.seen | bit) & 0xF);
      --*budget;
      JudgeInstance(*run, task, now);
    }
    if (news.next_edge < downstream.size()) return true;
    run->propagated[news.task] = true;
    --run->pending_propagations;
    propagations_.pop_front();
    --*budget;
    Settle(*run, now);
  }
  return !propagations_.empty();
}

// ---- Intents: cancel, timeout, retry ----

void Domain::SetIntent(Run& run, RunIntent intent, std::string reason, Now now) {
  run.row.intent = intent;
  run.row.reason = std::move(reason);
  if (run.row.quarantined) Release(run, now);
  WriteRun(run, /*by_user=*/intent != RunIntent::kTimeout);
  run.sweep = 0;
  run.sweeping = true;
  run.clearing.clear();
  sweeping_.insert(run.row.id);
  UpdateHold(run, now);
}

bool Domain::Sweep(Now now, int* budget) {
  bool more = false;
  const std::vector<RunId> ids(sweeping_.begin(), sweeping_.end());
  for (RunId id : ids) {
    Run* run = FindRun(id);
    if (run == nullptr || !run->initialised()) continue;
    // A clear must not overtake news of the ending that it clears.
    if (run->row.intent == RunIntent::kRetry && run->pending_propagations > 0) {
      more = true;
      continue;
    }
    while (run->sweep < run->task_count() && *budget > 0 && !BatchFull()) {
      SweepOne(*run, run->sweep++, now);
      --*budget;
    }
    if (run->sweep < run->task_count()) return true;
    more |= EndSweep(*run, now);
  }
  return more;
}

void Domain::SweepOne(Run& run, uint32_t task, Now now) {
  if (run.row.intent == RunIntent::kRetry) {
    SweepRetry(run, task);
    return;
  }
  const bool timeout = run.row.intent == RunIntent::kTimeout;
  const TaskState state = run.instances[task].state;
  if (IsTerminal(state)) return;
  const Cause cause = timeout ? Cause::kRunTimeout : Cause::kCancelled;
  if (!IsLive(state)) {
    if (timeout) run.timed_out.insert(task);
    Decide(run, task, timeout ? TaskState::kSkipped : TaskState::kCancelled, cause, now);
    return;
  }
  const TaskKey key{run.row.id, static_cast<int32_t>(task), -1};
  Live& live = live_.at(key);
  live.revoked = cause;
  const Session* session = sessions_.Find(live.session);
  if (session != nullptr && session->binding) {
    out_.revokes.push_back(
        {live.session, session->binding, {key, run.at(key.task).attempt}, cause});
  }
}

// Clears what failed, and all that ended downstream of something cleared. An instance that waits
// counts as cleared: after a takeover in the middle of the sweep it may have been.
void Domain::SweepRetry(Run& run, uint32_t task) {
  if (run.clearing.empty()) run.clearing.resize(run.task_count());
  const auto upstream = run.version->topology().upstream(task);
  Instance& inst = run.instances[task];
  const TaskState state = inst.state;
  const bool bad = state == TaskState::kFailed || state == TaskState::kUpstreamFailed ||
                   state == TaskState::kCancelled || state == TaskState::kWaiting ||
                   run.timed_out.contains(task);
  const bool clear = bad || std::any_of(upstream.begin(), upstream.end(),
                                        [&](uint32_t up) { return run.clearing[up]; });
  run.clearing[task] = clear;
  if (!clear) return;
  if (state == TaskState::kReady || state == TaskState::kUpForRetry) {
    if (state == TaskState::kReady) admission_.Leave(run, task);
    SetState(run, task, TaskState::kWaiting, false);
    // The row may say "up for retry": a reload would go by its time and not wait for its upstream.
    if (inst.attempt > 0) WriteDecision(run, task, TaskState::kWaiting, Cause::kNone, 0);
  } else if (IsTerminal(state)) {
    SetState(run, task, TaskState::kWaiting, true);
    inst.tries = 0;
    inst.infra_tries = 0;
    run.propagated[task] = false;
    run.timed_out.erase(task);
    WriteDecision(run, task, TaskState::kWaiting, Cause::kNone, 0);
  }
}

// True when there is more to do now. A retried run starts over from its rows once all news of
// earlier endings have arrived; a cancelled one ends with its last live instance.
bool Domain::EndSweep(Run& run, Now now) {
  const bool retry = run.row.intent == RunIntent::kRetry;
  run.sweeping = false;
  sweeping_.erase(run.row.id);
  run.clearing = {};
  if (retry) {
    run.row.intent = RunIntent::kNone;
    run.row.reason.clear();
    WriteRun(run);
    run.next_unjudged = 0;
    initialising_.insert(run.row.id);
    ArmRunTimer(run, now);  // it may have gone off, unheeded, during the sweep
    UpdateHold(run, now);
    return true;
  }
  Settle(run, now);
  return false;
}

// ---- Dispatch ----

bool Domain::Dispatch(Now now) {
  admission_.BeginRound(now.steady);
  while (!BatchFull()) {
    const Run* next = careful_ ? admission_.Peek(now.steady) : nullptr;
    if (next != nullptr && !MayTouch(*next)) {
      dispatch_due_ = false;
      return false;
    }
    const std::optional<Admission::Pick> pick = admission_.Next(now.steady);
    if (!pick) {
      dispatch_due_ = false;
      WishForCredits();
      return false;
    }
    LeaseTo(*pick, now);
  }
  return true;
}

void Domain::LeaseTo(const Admission::Pick& pick, Now now) {
  Run& run = *pick.run;
  Instance& inst = run.instances[pick.task];
  --run.counts[static_cast<size_t>(TaskState::kReady)];
  ++run.counts[static_cast<size_t>(TaskState::kLeased)];
  const bool leap = inst.attempt < first_attempt_;
  const bool fresh = inst.attempt == 0 && !run.cleared;
  inst.attempt = std::max(inst.attempt, first_attempt_) + 1;
  const TaskKey key{run.row.id, static_cast<int32_t>(pick.task), -1};
  Session& session = *pick.session;
  session.leases.insert(key);
  live_[key] = Live{session.info.id, 0, batch_number_, false, {}};
  ++run.live;
  out_.batch.dispatches.push_back(
      {key, inst.attempt, inst.tries, inst.infra_tries, session.info.id, leap, fresh});
  const bool names_outputs = run.version->outputs_of(pick.task) != nullptr;
  out_.assigns.push_back({session.info.id,
                          session.binding,
                          {key, inst.attempt},
                          inst.tries + 1,
                          run.info,
                          names_outputs ? run.version : nullptr});
  Touch(run);
  if (run.version->topology().dag().max_active_tasks > 0) UpdateHold(run, now);
}

}  // namespace penstock::core
