#include "scheduler/sim/checker.h"

#include "fmt/format.h"

namespace penstock::sim {
namespace {

using core::TaskState;

std::string Name(const core::TaskKey& key, int32_t attempt) {
  return fmt::format("run {} task {} attempt {}", key.run.value(), key.task, attempt);
}

}  // namespace

void Checker::Violated(int invariant, const std::string& text) {
  if (violations_.size() < 20) violations_.push_back(fmt::format("[{}] {}", invariant, text));
}

const dag::Topology* Checker::TopologyOf(RunId run) const {
  const core::RunRow* row = store_.FindRun(run);
  if (row == nullptr) return nullptr;
  const auto version = versions_.find(row->version);
  return version == versions_.end() ? nullptr : version->second.get();
}

// 2: judged anew from the rows, by counting.
void Checker::CheckUpstream(const core::Dispatch& dispatch) {
  if (dispatch.tries > 0 || dispatch.attempt > 1 || retried_.contains(dispatch.key.run)) return;
  const dag::Topology* topology = TopologyOf(dispatch.key.run);
  if (topology == nullptr) return;
  const auto task = static_cast<uint32_t>(dispatch.key.task);
  int done = 0, success = 0, skipped = 0, failed = 0, upstream_failed = 0;
  const auto upstream = topology->upstream(task);
  for (uint32_t up : upstream) {
    const auto* row = store_.FindTask({dispatch.key.run, static_cast<int32_t>(up), -1});
    if (row == nullptr || !core::IsTerminal(row->state)) continue;
    ++done;
    success += row->state == TaskState::kSuccess;
    skipped += row->state == TaskState::kSkipped;
    upstream_failed += row->state == TaskState::kUpstreamFailed;
    failed += row->state == TaskState::kFailed || row->state == TaskState::kCancelled;
  }
  const int all = static_cast<int>(upstream.size());
  bool ok = true;
  switch (topology->trigger_rule(task)) {
    case dag::TriggerRule::kAllSuccess:
      ok = success == all;
      break;
    case dag::TriggerRule::kAllDone:
      ok = done == all;
      break;
    case dag::TriggerRule::kOneSuccess:
      ok = success >= 1 || all == 0;
      break;
    case dag::TriggerRule::kOneFailed:
      ok = failed + upstream_failed >= 1 || all == 0;
      break;
    case dag::TriggerRule::kNoneFailed:
      ok = success + skipped == all;
      break;
    case dag::TriggerRule::kAllFailed:
      ok = failed + upstream_failed == all;
      break;
    default:
      return;
  }
  if (!ok) {
    Violated(2, fmt::format("{} dispatched with {} of {} upstream successful",
                            Name(dispatch.key, dispatch.attempt), success, all));
  }
}

void Checker::OnCommit(const core::FlushBatch& batch) {
  for (const core::RunUpdate& update : batch.run_updates) {
    const core::RunRow* run = store_.FindRun(update.run);
    if (update.by_user) retried_.insert(update.run);
    if (run != nullptr && core::IsTerminal(run->state) && !update.by_user) {
      Violated(6, fmt::format("run {} left its ending by itself", update.run.value()));
    }
  }
  for (const core::RunRow& run : batch.new_runs) {
    if (!run.note.empty() && !notes_.insert(run.note).second) {
      Violated(5, fmt::format("submit {} made two runs", run.note));
    }
  }
  for (const core::Completion& c : batch.completions) {
    const core::TaskRow* row = store_.FindTask(c.row.key);
    int32_t& accepted = accepted_[c.row.key];
    if (c.row.attempt <= accepted) {
      Violated(
          1, fmt::format("{} accepted after attempt {}", Name(c.row.key, c.row.attempt), accepted));
    }
    accepted = c.row.attempt;
    const auto runs = running_.find(c.row.key);
    if (c.row.state == TaskState::kSuccess && runs != running_.end() &&
        runs->second == c.row.attempt) {
      Violated(7, fmt::format("{} accepted while it runs", Name(c.row.key, c.row.attempt)));
    }
    ended_accepted_.insert({c.row.key, c.row.attempt});
    if (row == nullptr || row->attempt != c.row.attempt) {
      Violated(1, fmt::format("{} is not the lease of its row", Name(c.row.key, c.row.attempt)));
    }
    if (row != nullptr && core::IsTerminal(row->state)) {
      Violated(6, fmt::format("{} changed an ending", Name(c.row.key, c.row.attempt)));
    }
    if (core::IsTerminal(c.row.state)) ++completed_;
  }
  for (const core::Decision& d : batch.decisions) {
    if (core::IsTerminal(d.state)) ++completed_;
    const core::TaskRow* row = store_.FindTask(d.key);
    // A clear and a new ending may share a batch, so a retried run is left out.
    if (row != nullptr && core::IsTerminal(row->state) && !retried_.contains(d.key.run)) {
      Violated(6, fmt::format("{} changed an ending", Name(d.key, d.attempt)));
    }
  }
  // Dispatches are judged when their own batch's endings stand: see CheckUpstream's caller.
  for (const core::Dispatch& d : batch.dispatches) {
    const int32_t launched = launched_attempt_[d.key];
    if (d.attempt <= launched) {
      Violated(9, fmt::format("{} was given out before", Name(d.key, d.attempt)));
    }
  }
}

void Checker::OnAssignmentReceived(const core::AttemptRef& ref) {
  const core::TaskRow* row = store_.FindTask(ref.key);
  if (row == nullptr || row->attempt < ref.attempt) {
    Violated(9, fmt::format("{} on the wire without its row", Name(ref.key, ref.attempt)));
    return;
  }
  if (row->attempt != ref.attempt) return;
  core::Dispatch seen;
  seen.key = ref.key;
  seen.attempt = ref.attempt;
  seen.tries = row->tries;
  CheckUpstream(seen);
}

void Checker::OnResultAcked(const core::AttemptRef& ref) {
  const core::TaskRow* row = store_.FindTask(ref.key);
  const bool open = row != nullptr && row->attempt == ref.attempt && core::IsLive(row->state);
  if (open) {
    Violated(9, fmt::format("{} acknowledged but not durable", Name(ref.key, ref.attempt)));
  }
}

void Checker::OnRunAcknowledged(const std::string& idempotency_key, RunId run) {
  acknowledged_.insert(idempotency_key);
  if (store_.FindRun(run) == nullptr) {
    Violated(9, fmt::format("run {} acknowledged without its row", run.value()));
  }
  if (store_.RunsWithKey(idempotency_key) > 1)
    Violated(5, fmt::format("key {} made two runs", idempotency_key));
}

void Checker::OnLaunch(const core::AttemptRef& ref, bool instant) {
  ++launched_;
  int32_t& launched = launched_attempt_[ref.key];
  if (ref.attempt <= launched) {
    Violated(7, fmt::format("{} started twice", Name(ref.key, ref.attempt)));
  }
  launched = ref.attempt;
  if (running_.contains(ref.key)) {
    Violated(7,
             fmt::format("{} overlaps attempt {}", Name(ref.key, ref.attempt), running_[ref.key]));
  }
  if (instant) return;
  running_[ref.key] = ref.attempt;
  const dag::Topology* topology = TopologyOf(ref.key.run);
  if (topology == nullptr) return;
  const auto& settings = *topology->spec(static_cast<uint32_t>(ref.key.task)).settings;
  if (settings.pool.empty()) return;
  int& used = pool_used_[settings.pool];
  used += settings.pool_slots;
  if (used > store_.PoolSlots(settings.pool)) {
    Violated(3, fmt::format("pool {} runs {} of {} slots", settings.pool, used,
                            store_.PoolSlots(settings.pool)));
  }
}

void Checker::OnEnd(const core::AttemptRef& ref) {
  if (running_.erase(ref.key) == 0) return;
  const dag::Topology* topology = TopologyOf(ref.key.run);
  if (topology == nullptr) return;
  const auto& settings = *topology->spec(static_cast<uint32_t>(ref.key.task)).settings;
  if (!settings.pool.empty()) pool_used_[settings.pool] -= settings.pool_slots;
}

void Checker::OnDigests(const std::string& memory, const std::string& reloaded) {
  if (memory == reloaded) return;
  size_t at = 0;
  while (at < memory.size() && at < reloaded.size() && memory[at] == reloaded[at]) ++at;
  const size_t line = memory.rfind("run ", at);
  const size_t from = line == std::string::npos ? 0 : line;
  Violated(10, fmt::format("reloaded state differs: memory \"{}\" reloaded \"{}\"",
                           memory.substr(from, 400), reloaded.substr(from, 400)));
}

void Checker::OnQuiet(bool in_time) {
  for (const auto& [id, run] : store_.runs()) {
    if (!core::IsTerminal(run.state)) {
      Violated(4,
               fmt::format("run {} of DAG {} is still {}, intent {} ({})", id.value(),
                           run.dag.value(), core::ToString(run.state), static_cast<int>(run.intent),
                           in_time ? "nothing left to do" : "out of time"));
    }
  }
  for (const std::string& key : acknowledged_) {
    if (store_.RunsWithKey(key) != 1) {
      Violated(5, fmt::format("acknowledged key {} has {} runs", key, store_.RunsWithKey(key)));
    }
  }
  for (const auto& [key, attempt] : launched_attempt_) {
    const core::TaskRow* row = store_.FindTask(key);
    if (row == nullptr || row->attempt < attempt) {
      Violated(7, fmt::format("{} ran but is not in the database", Name(key, attempt)));
    }
  }
  Epoch last;
  FlushSeq expected(1);
  for (const auto& [seq, row] : store_.fence()) {
    const Epoch epoch = row.epoch;
    if (seq != expected) Violated(9, fmt::format("flush {} is missing", expected.value()));
    if (epoch < last) Violated(9, fmt::format("epoch fell at flush {}", seq.value()));
    last = epoch;
    expected = FlushSeq(seq.value() + 1);
  }
  for (const auto& [pool, used] : pool_used_) {
    if (used != 0) Violated(3, fmt::format("pool {} counts {} at rest", pool, used));
  }
}

}  // namespace penstock::sim
