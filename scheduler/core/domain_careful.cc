// Careful mode, and what it finds: one run at a time, and those that are left alone.
#include <algorithm>
#include <utility>

#include "scheduler/core/domain.h"

namespace penstock::core {

// ---- Turns ----

std::optional<RunId> Domain::WantsTurn(Now now) {
  if (!to_begin_.empty()) return *to_begin_.begin();
  for (const auto& [key, cause] : deferred_losses_) {
    const Run* run = FindRun(key.run);
    if (run != nullptr && run->begun) return key.run;
  }
  if (const auto due = DueRun(now)) return due;
  if (const auto queued = QueuedRun()) return queued;
  admission_.BeginRound(now.steady);
  const Run* in_line = admission_.Peek(now.steady);
  return in_line == nullptr ? std::nullopt : std::optional(in_line->row.id);
}

// A timer of it is due.
std::optional<RunId> Domain::DueRun(Now now) const {
  if (!retry_timers_.empty() && retry_timers_.top().at <= now.steady) {
    return retry_timers_.top().key.run;
  }
  if (!run_timers_.empty() && run_timers_.top().at <= now.steady) return run_timers_.top().run;
  if (!pending_marks_.empty() && pending_marks_.front().due <= now.steady) {
    return pending_marks_.front().key.run;
  }
  return std::nullopt;
}

// Its DAG has room for it.
std::optional<RunId> Domain::QueuedRun() const {
  for (const auto& [id, dag] : dags_) {
    if (MayStart(dag)) return *dag.queued.begin();
  }
  return std::nullopt;
}

void Domain::On(RunTurn& e, Now now) {
  Run* run = FindRun(e.run);
  if (run == nullptr) return;
  if (to_begin_.erase(e.run) > 0) {
    BeginRun(*run, now);
  } else {
    StartQueued(dags_.at(run->row.dag), now);
  }
}

void Domain::EndCare(Now now) {
  careful_ = false;
  for (auto& [id, dag] : dags_) StartQueued(dag, now);
  dispatch_due_ = true;
}

bool Domain::AwaitsSessions() const {
  return std::any_of(sessions_.all().begin(), sessions_.all().end(), [](const auto& entry) {
    const Session& session = *entry.second;
    return !session.lost && !session.binding && !session.leases.empty();
  });
}

// ---- Quarantine ----

// Whatever touches it may be what fails: what comes for it is not taken, and it keeps its leases
// with what they hold of limits.
void Domain::Quarantine(Run& run, const std::string& why) {
  run.row.quarantined = true;
  run.row.reason = why;
  WriteRun(run);
}

// A user takes a run out of quarantine.
void Domain::Release(Run& run, Now now) {
  run.row.quarantined = false;
  out_.resync = true;
  if (run.row.state == RunState::kRunning) {
    StartRun(run, now);
  } else {
    run.begun = true;
    dags_.at(run.row.dag).queued.insert(run.row.id);
  }
}

}  // namespace penstock::core
