// What a domain shows: explanations, snapshots, gauges, and the digest for checks.
#include <algorithm>

#include "fmt/format.h"
#include "scheduler/core/domain.h"

namespace penstock::core {
namespace {

Reason ReasonOfEnding(TaskState state) {
  switch (state) {
    case TaskState::kSuccess:
      return Reason::kSuccess;
    case TaskState::kFailed:
      return Reason::kFailed;
    case TaskState::kSkipped:
      return Reason::kSkipped;
    case TaskState::kUpstreamFailed:
      return Reason::kUpstreamFailed;
    case TaskState::kCancelled:
      return Reason::kCancelled;
    default:
      return Reason::kRemoved;
  }
}

}  // namespace

std::string_view ToString(Reason reason) {
  switch (reason) {
    case Reason::kRunning:
      return "running";
    case Reason::kLeased:
      return "leased";
    case Reason::kSuccess:
      return "success";
    case Reason::kFailed:
      return "failed";
    case Reason::kSkipped:
      return "skipped";
    case Reason::kUpstreamFailed:
      return "upstream_failed";
    case Reason::kCancelled:
      return "cancelled";
    case Reason::kRemoved:
      return "removed";
    case Reason::kRunQueued:
      return "run_queued";
    case Reason::kDagPaused:
      return "dag_paused";
    case Reason::kRunHeld:
      return "run_held";
    case Reason::kRunQuarantined:
      return "run_quarantined";
    case Reason::kVersionLoading:
      return "version_loading";
    case Reason::kWaitingUpstream:
      return "waiting_upstream";
    case Reason::kRetryAt:
      return "retry_at";
    case Reason::kMaxActiveTasks:
      return "max_active_tasks";
    case Reason::kBlockedPool:
      return "blocked_pool";
    case Reason::kPoolTooSmall:
      return "pool_too_small";
    case Reason::kPoolMissing:
      return "pool_missing";
    case Reason::kPoolReserved:
      return "pool_reserved";
    case Reason::kNoWorker:
      return "no_worker";
    case Reason::kNoMatchingWorker:
      return "no_matching_worker";
    case Reason::kWorkersBusy:
      return "workers_busy";
    case Reason::kWorkerReserved:
      return "worker_reserved";
    case Reason::kInLine:
      return "in_line";
    case Reason::kEnding:
      return "ending";
  }
  return "unknown";
}

std::string Domain::DescribeUpstream(const Run& run, uint32_t task) const {
  const auto& topology = run.version->topology();
  std::string names;
  int open = 0;
  for (uint32_t up : topology.upstream(task)) {
    const TaskState state = run.instances[up].state;
    if (IsTerminal(state)) continue;
    if (++open <= 5) {
      names +=
          fmt::format("{}{} ({})", open > 1 ? ", " : "", topology.spec(up).id, ToString(state));
    }
  }
  if (open > 5) names += fmt::format(" and {} more", open - 5);
  return fmt::format("waits for upstream {}; its trigger rule is {}", names,
                     dag::ToString(topology.trigger_rule(task)));
}

// What holds the whole run, if anything does.
std::optional<std::pair<Reason, std::string>> Domain::ExplainRun(const Run& run) const {
  const DagState& dag = dags_.at(run.row.dag);
  if (run.row.quarantined) {
    return std::pair(Reason::kRunQuarantined,
                     fmt::format("the run is quarantined: {}", run.row.reason));
  }
  if (dag.row.paused) {
    return std::pair(Reason::kDagPaused, fmt::format("DAG {} is paused", dag.row.name));
  }
  if (run.row.state == RunState::kQueued) {
    const auto ahead = std::distance(dag.queued.begin(), dag.queued.find(run.row.id));
    return std::pair(Reason::kRunQueued,
                     fmt::format("the run is queued: {} of {} active runs of DAG {} are taken, {} "
                                 "run(s) ahead",
                                 dag.active, dag.row.max_active_runs, dag.row.name, ahead));
  }
  if (run.row.intent != RunIntent::kNone) {
    return std::pair(Reason::kRunHeld,
                     std::string(run.row.intent == RunIntent::kRetry ? "the run is being cleared"
                                                                     : "the run is being ended"));
  }
  return std::nullopt;
}

Explanation Domain::Explain(const TaskKey& key) const {
  const Run* run = FindRun(key.run);
  if (run == nullptr || key.task < 0 || static_cast<uint32_t>(key.task) >= run->task_count()) {
    return {TaskState::kRemoved, 0, Reason::kRemoved, "there is no such live task instance", ""};
  }
  const auto task = static_cast<uint32_t>(key.task);
  const Instance inst = run->started() ? run->instances[task] : Instance{};
  Explanation e{inst.state, inst.attempt, ReasonOfEnding(inst.state), "", ""};
  if (IsTerminal(inst.state)) {
    e.sentence = fmt::format("has ended: {}", ToString(inst.state));
    return e;
  }
  if (const auto live = live_.find(key); live != live_.end()) {
    const Session* session = sessions_.Find(live->second.session);
    const std::string worker = session == nullptr ? "?" : session->info.name;
    e.reason = inst.state == TaskState::kRunning ? Reason::kRunning : Reason::kLeased;
    e.sentence =
        inst.state == TaskState::kRunning
            ? fmt::format("runs on worker {} (attempt {})", worker, inst.attempt)
            : fmt::format("given to worker {} (attempt {}), not started yet", worker, inst.attempt);
    if (live->second.revoked) {
      e.reason = Reason::kEnding;
      e.sentence =
          fmt::format("asked to stop on worker {}; its slots stay taken until it confirms", worker);
    }
    return e;
  }
  if (auto held = ExplainRun(*run)) {
    e.reason = held->first;
    e.sentence = held->second;
    if (e.reason == Reason::kDagPaused) {
      e.hint = fmt::format("penstock dag resume {}", dags_.at(run->row.dag).row.name);
    }
    return e;
  }
  if (inst.state == TaskState::kUpForRetry) {
    e.reason = Reason::kRetryAt;
    e.sentence = fmt::format("failed {} time(s), is up for retry after its back-off", inst.tries);
    return e;
  }
  if (inst.state == TaskState::kWaiting) {
    e.reason = Reason::kWaitingUpstream;
    e.sentence = DescribeUpstream(*run, task);
    return e;
  }
  const int32_t max_active = run->version->topology().dag().max_active_tasks;
  if (max_active > 0 && run->live >= max_active) {
    e.reason = Reason::kMaxActiveTasks;
    e.sentence = fmt::format("the run has {} of at most {} tasks active", run->live, max_active);
    return e;
  }
  const Admission::Verdict verdict = admission_.Judge(*run, task);
  e.reason = verdict.reason;
  e.sentence = verdict.sentence;
  e.hint = verdict.hint;
  return e;
}

std::optional<RunView> Domain::ViewRun(RunId run) const {
  const Run* live = FindRun(run);
  if (live == nullptr) return std::nullopt;
  RunView view;
  view.row = live->row;
  view.task_count = static_cast<int32_t>(live->task_count());
  view.counts = live->counts;
  constexpr size_t kNamed = 20;
  const bool any = live->count(TaskState::kRunning) + live->count(TaskState::kLeased) +
                       live->count(TaskState::kFailed) >
                   0;
  for (uint32_t t = 0; any && t < live->instances.size(); ++t) {
    const TaskState state = live->instances[t].state;
    if (IsLive(state) && view.running.size() < kNamed) view.running.push_back(static_cast<int>(t));
    if (state == TaskState::kFailed && view.failed.size() < kNamed) {
      view.failed.push_back(static_cast<int>(t));
    }
  }
  return view;
}

std::optional<TaskView> Domain::ViewTask(const TaskKey& key) const {
  const Run* run = FindRun(key.run);
  if (run == nullptr || key.task < 0 || static_cast<uint32_t>(key.task) >= run->task_count()) {
    return std::nullopt;
  }
  if (!run->started()) return TaskView{};
  const Instance& inst = run->at(key.task);
  const auto live = live_.find(key);
  return TaskView{inst.state, inst.attempt,
                  live == live_.end() ? SessionId() : live->second.session};
}

std::vector<PoolView> Domain::Pools() const {
  std::vector<PoolView> views;
  for (const auto& [name, pool] : admission_.pools()) {
    PoolView view{pool.row, pool.used, 0};
    for (ClassId id = 0; id < admission_.class_count(); ++id) {
      const WorkClass& cls = admission_.work_class(id);
      if (cls.pool == name) view.waiting += static_cast<int32_t>(cls.ready);
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<QueueView> Domain::Queues() const {
  std::map<std::string, QueueView> queues;
  for (ClassId id = 0; id < admission_.class_count(); ++id) {
    const WorkClass& cls = admission_.work_class(id);
    QueueView& view = queues[cls.queue];
    view.ready += static_cast<int32_t>(cls.ready);
    view.live += static_cast<int32_t>(cls.live);
  }
  for (const auto& [id, session] : sessions_.all()) {
    if (!session->binding || session->lost) continue;
    for (const std::string& queue : session->info.queues) {
      ++queues[queue].workers;
      queues[queue].free_credits += session->credits;
    }
  }
  std::vector<QueueView> views;
  for (auto& [name, view] : queues) {
    view.name = name;
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<SessionView> Domain::Sessions() const {
  std::vector<SessionView> views;
  for (const auto& [id, session] : sessions_.all()) {
    if (session->lost) continue;
    views.push_back({session->info, static_cast<int32_t>(session->leases.size()), session->credits,
                     static_cast<bool>(session->binding), session->draining});
  }
  return views;
}

DomainStats Domain::Stats() const {
  DomainStats stats;
  stats.live_runs = static_cast<int64_t>(runs_.size());
  stats.live = static_cast<int64_t>(live_.size());
  for (const auto& [id, run] : runs_) {
    stats.waiting += run->count(TaskState::kWaiting);
    stats.quarantined_runs += run->row.quarantined ? 1 : 0;
  }
  for (ClassId id = 0; id < admission_.class_count(); ++id) {
    const WorkClass& cls = admission_.work_class(id);
    stats.ready += cls.ready;
    stats.blocked_run += cls.held;
    const int64_t open = cls.ready - cls.held;
    if (!cls.pool.empty()) {
      const Pool* pool = admission_.FindPool(cls.pool);
      if (pool == nullptr || pool->row.slots - pool->used < cls.pool_slots) {
        stats.blocked_pool += open;
        continue;
      }
    }
    if (cls.no_room_at == sessions_.generation()) stats.blocked_workers += open;
  }
  for (const auto& [id, session] : sessions_.all()) {
    stats.sessions += session->binding ? 1 : 0;
    stats.free_credits += session->credits;
  }
  return stats;
}

std::string Domain::Digest() const {
  std::string text;
  for (const auto& [id, run] : runs_) {
    text += fmt::format("run {} {} intent={} live={} q={}\n", id.value(), ToString(run->row.state),
                        static_cast<int>(run->row.intent), run->live, run->row.quarantined);
    for (uint32_t t = 0; t < run->instances.size(); ++t) {
      const Instance& inst = run->instances[t];
      const TaskState state = inst.state == TaskState::kRunning ? TaskState::kLeased : inst.state;
      text += fmt::format(" {}:{} a={} t={} i={}", t, ToString(state), inst.attempt, inst.tries,
                          inst.infra_tries);
      // A run on its way to an end counts nothing any more.
      if (!IsTerminal(state) && run->row.intent == RunIntent::kNone)
        text += fmt::format(" left={} seen={}", inst.remaining, int{inst.seen});
    }
    text += '\n';
  }
  for (const auto& [name, pool] : admission_.pools()) {
    text += fmt::format("pool {} {}/{}\n", name, pool.used, pool.row.slots);
  }
  for (const auto& [id, dag] : dags_) {
    text += fmt::format("dag {} active={} queued={} paused={}\n", id.value(), dag.active,
                        dag.queued.size(), dag.row.paused);
  }
  for (const auto& [id, session] : sessions_.all()) {
    if (session->leases.empty()) continue;
    text += fmt::format("session {} leases={} cpu={} mem={}\n", id.value(), session->leases.size(),
                        session->used_cpu_millis, session->used_memory_bytes);
  }
  return text;
}

}  // namespace penstock::core
