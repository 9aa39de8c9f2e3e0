// The only writers of instance states and of the batch's decisions and run rows.
#include "common/base/check.h"
#include "scheduler/core/domain.h"

namespace penstock::core {

Run* Domain::FindRun(RunId id) {
  const auto it = runs_.find(id);
  return it == runs_.end() || it->second->finished ? nullptr : it->second.get();
}

const Run* Domain::FindRun(RunId id) const {
  const auto it = runs_.find(id);
  return it == runs_.end() || it->second->finished ? nullptr : it->second.get();
}

void Domain::SetState(Run& run, uint32_t task, TaskState state, bool by_user) {
  Instance& inst = run.instances[task];
  PENSTOCK_CHECK(TransitionAllowed(inst.state, state, by_user), "only legal transitions happen");
  --run.counts[static_cast<size_t>(inst.state)];
  ++run.counts[static_cast<size_t>(state)];
  inst.state = state;
  Touch(run);
}

// One row per instance and flush: a later decision replaces an earlier one of the same batch.
void Domain::WriteDecision(Run& run, uint32_t task, TaskState state, Cause cause,
                           int64_t finished_us) {
  const Instance& inst = run.instances[task];
  if (state == TaskState::kWaiting) run.cleared = true;
  const TaskKey key{run.row.id, static_cast<int32_t>(task), -1};
  Decision decision{key, state, inst.attempt, inst.tries, inst.infra_tries, cause, finished_us};
  const auto [it, added] = decision_index_.try_emplace(key, out_.batch.decisions.size());
  if (added) {
    out_.batch.decisions.push_back(decision);
  } else {
    out_.batch.decisions[it->second] = decision;
  }
}

// Writes the run's row as it is now: into its insert when it is new, else as one update.
void Domain::WriteRun(Run& run, bool by_user) {
  Touch(run);
  if (run.new_run_batch == batch_number_) {
    out_.batch.new_runs[run.new_run_index] = run.row;
    return;
  }
  const RunRow& row = run.row;
  RunUpdate update{row.id,          row.state,      row.intent,      row.reason,
                   row.quarantined, row.started_us, row.finished_us, by_user};
  const auto [it, added] = run_update_index_.try_emplace(row.id, out_.batch.run_updates.size());
  if (added) {
    out_.batch.run_updates.push_back(std::move(update));
  } else {
    update.by_user |= out_.batch.run_updates[it->second].by_user;
    out_.batch.run_updates[it->second] = std::move(update);
  }
}

}  // namespace penstock::core
