#include "scheduler/api/convert.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

namespace penstock::api {
namespace {

// Years 1 to 9999, as google.protobuf.Timestamp has it.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;
constexpr int64_t kMicros = 1'000'000;

// Floored, so that times before 1970 keep positive nanoseconds.
int64_t FloorSeconds(int64_t us) { return us / kMicros - (us % kMicros < 0 ? 1 : 0); }

}  // namespace

v1::TaskState ToProto(core::TaskState state) {
  switch (state) {
    case core::TaskState::kWaiting:
      return v1::TASK_STATE_WAITING;
    case core::TaskState::kReady:
      return v1::TASK_STATE_READY;
    case core::TaskState::kLeased:
      return v1::TASK_STATE_LEASED;
    case core::TaskState::kRunning:
      return v1::TASK_STATE_RUNNING;
    case core::TaskState::kSuccess:
      return v1::TASK_STATE_SUCCESS;
    case core::TaskState::kFailed:
      return v1::TASK_STATE_FAILED;
    case core::TaskState::kSkipped:
      return v1::TASK_STATE_SKIPPED;
    case core::TaskState::kUpstreamFailed:
      return v1::TASK_STATE_UPSTREAM_FAILED;
    case core::TaskState::kUpForRetry:
      return v1::TASK_STATE_UP_FOR_RETRY;
    case core::TaskState::kDeferred:
      return v1::TASK_STATE_DEFERRED;
    case core::TaskState::kCancelled:
      return v1::TASK_STATE_CANCELLED;
    case core::TaskState::kRemoved:
      return v1::TASK_STATE_REMOVED;
  }
  return v1::TASK_STATE_UNSPECIFIED;
}

v1::RunState ToProto(core::RunState state) {
  switch (state) {
    case core::RunState::kQueued:
      return v1::RUN_STATE_QUEUED;
    case core::RunState::kRunning:
      return v1::RUN_STATE_RUNNING;
    case core::RunState::kSuccess:
      return v1::RUN_STATE_SUCCESS;
    case core::RunState::kFailed:
      return v1::RUN_STATE_FAILED;
    case core::RunState::kCancelled:
      return v1::RUN_STATE_CANCELLED;
  }
  return v1::RUN_STATE_UNSPECIFIED;
}

v1::Cause ToProto(core::Cause cause) {
  static_assert(static_cast<int>(core::Cause::kSkipRequested) == v1::CAUSE_SKIP_REQUESTED);
  return static_cast<v1::Cause>(cause);
}

std::optional<core::TaskState> FromProto(v1::TaskState state) {
  for (int i = 0; i < core::kTaskStateCount; ++i) {
    const auto candidate = static_cast<core::TaskState>(i);
    if (ToProto(candidate) == state) return candidate;
  }
  return std::nullopt;
}

std::optional<core::RunState> FromProto(v1::RunState state) {
  for (int i = 0; i <= static_cast<int>(core::RunState::kCancelled); ++i) {
    const auto candidate = static_cast<core::RunState>(i);
    if (ToProto(candidate) == state) return candidate;
  }
  return std::nullopt;
}

core::Cause FromProto(v1::Cause cause) {
  return v1::Cause_IsValid(cause) ? static_cast<core::Cause>(cause) : core::Cause::kNone;
}

void SetTime(int64_t us, google::protobuf::Timestamp* time) {
  const int64_t seconds = FloorSeconds(us);
  time->set_seconds(seconds);
  time->set_nanos(static_cast<int32_t>((us - seconds * kMicros) * 1000));
}

std::optional<int64_t> ToMicros(const google::protobuf::Timestamp& time) {
  if (time.seconds() < kFirstSecond || time.seconds() > kLastSecond || time.nanos() < 0 ||
      time.nanos() >= 1'000'000'000) {
    return std::nullopt;
  }
  return time.seconds() * kMicros + time.nanos() / 1000;
}

std::string RunKey(const core::RunRow& run) {
  return run.key.empty() ? fmt::format("run-{}", run.id.value()) : run.key;
}

std::optional<RunId> RunIdOfKey(std::string_view key) {
  constexpr std::string_view kPrefix = "run-";
  if (key.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  if (key.substr(0, 1) == "0") return std::nullopt;  // one key for each run
  int64_t id = 0;
  const auto [ptr, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || ptr != key.data() + key.size() || id <= 0) return std::nullopt;
  return RunId(id);
}

v1::Run ToProto(const core::RunRow& run, std::string_view ns, std::string_view dag,
                int32_t version_number) {
  v1::Run out;
  out.set_namespace_(std::string(ns));
  out.set_dag(std::string(dag));
  out.set_id(run.id.value());
  out.set_key(RunKey(run));
  out.set_state(ToProto(run.state));
  out.set_reason(run.reason);
  out.set_version_id(run.version.value());
  out.set_version_number(version_number);
  out.set_params_json(run.params_json);
  out.set_note(run.note);
  if (run.logical_date_us != 0) SetTime(run.logical_date_us, out.mutable_logical_date());
  if (run.created_us != 0) SetTime(run.created_us, out.mutable_created_at());
  if (run.started_us != 0) SetTime(run.started_us, out.mutable_started_at());
  if (run.finished_us != 0) SetTime(run.finished_us, out.mutable_finished_at());
  return out;
}

v1::Run ToProto(const store::RunRecord& run, std::string_view ns) {
  return ToProto(run.row, ns, run.dag_name, run.version_number);
}

v1::Dag ToProto(const store::DagRecord& dag, std::string_view ns) {
  v1::Dag out;
  out.set_namespace_(std::string(ns));
  out.set_name(dag.row.name);
  out.set_description(dag.description);
  out.set_paused(dag.row.paused);
  out.set_version_id(dag.row.version.value());
  out.set_version_number(dag.version_number);
  out.set_version_hash(dag.version_hash);
  out.set_task_count(dag.task_count);
  out.set_max_active_runs(dag.row.max_active_runs);
  if (dag.created_us != 0) SetTime(dag.created_us, out.mutable_created_at());
  if (dag.updated_us != 0) SetTime(dag.updated_us, out.mutable_updated_at());
  return out;
}

void AddTasks(const dag::Topology& topology, v1::Dag* dag) {
  for (uint32_t i = 0; i < topology.task_count(); ++i) {
    const dag::TaskSpec& spec = topology.spec(i);
    v1::TaskInfo* task = dag->add_tasks();
    task->set_id(spec.id);
    task->set_kind(std::string(dag::ToString(spec.kind)));
    for (uint32_t upstream : spec.needs) task->add_needs(topology.spec(upstream).id);
    task->set_trigger_rule(std::string(dag::ToString(spec.trigger_rule)));
    task->set_queue(spec.settings->queue);
    task->set_pool(spec.settings->pool);
    task->set_effective_weight(topology.weight(i));
  }
}

v1::TaskInstance ToProto(const store::TaskRecord& task, std::string_view task_id) {
  const core::TaskRow& row = task.row;
  v1::TaskInstance out;
  out.set_run_id(row.key.run.value());
  out.set_task(std::string(task_id));
  out.set_task_index(static_cast<uint32_t>(row.key.task));
  out.set_map_index(row.key.map);
  out.set_state(ToProto(row.state));
  out.set_attempt(row.attempt);
  out.set_tries(row.tries);
  if (row.started_us != 0) SetTime(row.started_us, out.mutable_started_at());
  if (row.finished_us != 0) SetTime(row.finished_us, out.mutable_finished_at());
  if (row.retry_at_us != 0) SetTime(row.retry_at_us, out.mutable_retry_at());
  out.set_cause(ToProto(row.cause));
  out.set_exit_code(row.exit_code);
  out.set_signal(row.signal);
  out.set_peak_rss_kib(row.peak_rss_kib);
  out.set_cpu_ms(row.cpu_ms);
  out.set_worker(task.worker);
  out.set_error(task.error);
  return out;
}

v1::Attempt ToProto(const store::AttemptView& attempt) {
  const core::TaskRow& row = attempt.row;
  v1::Attempt out;
  out.set_attempt(row.attempt);
  out.set_worker(attempt.worker);
  if (row.started_us != 0) SetTime(row.started_us, out.mutable_started_at());
  if (row.finished_us != 0) SetTime(row.finished_us, out.mutable_finished_at());
  out.set_state(ToProto(row.state));
  out.set_cause(ToProto(row.cause));
  out.set_exit_code(row.exit_code);
  out.set_signal(row.signal);
  out.set_peak_rss_kib(row.peak_rss_kib);
  out.set_cpu_ms(row.cpu_ms);
  out.set_error(attempt.error);
  out.set_charged(attempt.charged);
  return out;
}

v1::Pool ToProto(const core::PoolView& pool, std::string_view ns) {
  v1::Pool out;
  out.set_namespace_(std::string(ns));
  out.set_name(pool.row.name);
  out.set_slots(pool.row.slots);
  out.set_used(pool.used);
  out.set_waiting(pool.waiting);
  out.set_description(pool.row.description);
  return out;
}

v1::Queue ToProto(const core::QueueView& queue) {
  v1::Queue out;
  out.set_name(queue.name);
  out.set_ready(queue.ready);
  out.set_leased(queue.live);
  out.set_workers(queue.workers);
  out.set_free_credits(queue.free_credits);
  return out;
}

v1::Worker ToProto(const core::SessionView& session) {
  v1::Worker out;
  out.set_session_id(session.info.id.value());
  out.set_name(session.info.name);
  out.set_group(session.info.group);
  for (const std::string& queue : session.info.queues) out.add_queues(queue);
  out.set_slots(session.info.slots);
  out.set_running(session.live);
  out.set_draining(session.draining);
  out.set_connected(session.connected);
  if (session.info.started_us != 0) SetTime(session.info.started_us, out.mutable_started_at());
  out.set_version(session.info.version);
  for (const auto& [key, value] : session.info.labels) (*out.mutable_labels())[key] = value;
  return out;
}

v1::Namespace ToProto(const store::NamespaceRecord& ns) {
  v1::Namespace out;
  out.set_name(ns.name);
  out.set_id(ns.id.value());
  out.set_domain(ns.domain.value());
  if (ns.created_us != 0) SetTime(ns.created_us, out.mutable_created_at());
  out.set_weight(ns.weight);
  return out;
}

v1::DomainStatus ToProto(const store::DomainRow& domain) {
  v1::DomainStatus out;
  out.set_id(domain.id.value());
  out.set_epoch(domain.epoch.value());
  out.set_owner(domain.owner.value());
  out.set_flush_seq(domain.flush_seq.value());
  out.set_quarantine(domain.trouble);
  return out;
}

}  // namespace penstock::api
