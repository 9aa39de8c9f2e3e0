#include "scheduler/api/worker_convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"
#include "common/dag/value.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/validate.h"
#include "scheduler/peer/convert.h"

namespace penstock::api {
namespace {

constexpr int kMaxQueues = 200;
constexpr int kMaxLabels = 200;
constexpr int kMaxSlots = 100'000;
constexpr size_t kMaxLabelBytes = 1024;
constexpr int kMaxDeadSessions = 1000;

void CheckLists(const v1::WorkerHello& hello, Checker* check) {
  check->Range("queues: their number", hello.queues_size(), 1, kMaxQueues);
  for (const std::string& queue : hello.queues()) check->Name("queues", queue);
  check->Range("labels: their number", static_cast<int64_t>(hello.labels().size()), 0, kMaxLabels);
  for (const auto& [key, value] : hello.labels()) {
    check->Name("labels", key);
    check->Text("labels: value", value, kMaxLabelBytes);
  }
  check->Range("dead_sessions: their number", hello.dead_sessions_size(), 0, kMaxDeadSessions);
  check->Range("custom_resources: their number",
               static_cast<int64_t>(hello.custom_resources().size()), 0, kMaxLabels);
  for (const auto& [key, value] : hello.custom_resources()) {
    check->Name("custom_resources", key);
    check->Range("custom_resources: amount", value, 0, INT64_MAX);
  }
}

core::Outcome ToOutcome(v1::Result::Outcome outcome) {
  switch (outcome) {
    case v1::Result::OUTCOME_SUCCESS:
      return core::Outcome::kSuccess;
    case v1::Result::OUTCOME_SKIPPED:
      return core::Outcome::kSkipped;
    case v1::Result::OUTCOME_FAILED_NO_RETRY:
      return core::Outcome::kFailedNoRetry;
    default:
      return core::Outcome::kFailed;  // one that only a newer worker knows
  }
}

// "" when the output is one JSON object that can be stored and shown.
std::string OutputProblem(const std::string& json) {
  if (json.empty()) return "";
  if (json.size() > kMaxOutputBytes) {
    return fmt::format("the output has {} bytes, at most {} are allowed", json.size(),
                       kMaxOutputBytes);
  }
  const absl::StatusOr<dag::Value> value = dag::Value::FromJson(json);
  if (!value.ok() || value->type() != dag::Value::Type::kObject || !IsCleanText(json)) {
    return "the output is not one JSON object";
  }
  if (json.find("\\u0000") != std::string::npos) return "the output holds a NUL character";
  return "";
}

void CheckOutput(core::AttemptResult* result) {
  std::string problem = OutputProblem(result->output_json);
  if (problem.empty()) return;
  result->output_json.clear();
  if (result->outcome != core::Outcome::kSuccess) return;
  result->outcome = core::Outcome::kFailed;
  result->cause = core::Cause::kOutputInvalid;
  result->error = std::move(problem);
}

DomainEvents& GroupOf(std::vector<DomainEvents>* groups, int32_t domain, int64_t epoch) {
  for (DomainEvents& group : *groups) {
    if (group.domain.value() == domain && group.epoch.value() == epoch) return group;
  }
  groups->push_back({DomainId(domain), Epoch(epoch), 0, {}});
  return groups->back();
}

}  // namespace

absl::StatusOr<core::SessionInfo> FromProto(const v1::WorkerHello& hello) {
  Checker check;
  check.Range("session_id", hello.session_id(), 1, INT64_MAX);
  check.Name("name", hello.name());
  check.Text("group", hello.group(), kMaxNameBytes);
  check.Text("version", hello.version(), kMaxNameBytes);
  check.Range("cpu_millis", hello.cpu_millis(), 0, INT64_MAX);
  check.Range("memory_bytes", hello.memory_bytes(), 0, INT64_MAX);
  check.Range("slots", hello.slots(), 1, kMaxSlots);
  check.Range("started_at_us", hello.started_at_us(), 1, INT64_MAX);
  CheckLists(hello, &check);
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  core::SessionInfo info;
  info.id = SessionId(hello.session_id());
  info.name = hello.name();
  info.group = hello.group();
  info.queues.assign(hello.queues().begin(), hello.queues().end());
  info.labels.insert(hello.labels().begin(), hello.labels().end());
  info.cpu_millis = hello.cpu_millis();
  info.memory_bytes = hello.memory_bytes();
  info.custom_resources.insert(hello.custom_resources().begin(), hello.custom_resources().end());
  info.slots = hello.slots();
  info.started_us = hello.started_at_us();
  info.version = hello.version();
  return info;
}

absl::StatusOr<core::AttemptRef> FromProto(const v1::AttemptKey& key) {
  if (key.run_id() <= 0 || key.task_index() > INT32_MAX || key.map_index() < -1 ||
      key.attempt() <= 0) {
    return absl::InvalidArgumentError("attempt: no attempt can have this key");
  }
  core::AttemptRef ref;
  ref.key = {RunId(key.run_id()), static_cast<int32_t>(key.task_index()), key.map_index()};
  ref.attempt = key.attempt();
  return ref;
}

absl::StatusOr<core::AttemptResult> FromProto(const v1::Result& result) {
  core::AttemptResult out;
  PENSTOCK_ASSIGN_OR_RETURN(out.ref, FromProto(result.attempt()));
  out.outcome = ToOutcome(result.outcome());
  out.cause = FromProto(result.cause());
  out.exit_code = result.exit_code();
  out.signal = result.signal();
  out.peak_rss_kib = std::max<int64_t>(0, result.peak_rss_kib());
  out.cpu_ms = std::max<int64_t>(0, result.cpu_ms());
  out.started_us = std::max<int64_t>(0, result.started_at_us());
  out.finished_us = std::max<int64_t>(0, result.finished_at_us());
  out.output_json = result.output_json();
  out.error = RepairText(result.error(), kMaxErrorBytes);
  CheckOutput(&out);
  return out;
}

absl::StatusOr<engine::DomainHello> FromProto(const v1::DomainHello& hello) {
  engine::DomainHello out;
  out.domain = DomainId(hello.domain());
  out.epoch = Epoch(hello.epoch());
  out.offer = hello.offer();
  for (const v1::AttemptKey& key : hello.running()) {
    PENSTOCK_ASSIGN_OR_RETURN(out.running.emplace_back(), FromProto(key));
  }
  for (const v1::Result& result : hello.unacknowledged()) {
    PENSTOCK_ASSIGN_OR_RETURN(out.unacknowledged.emplace_back(), FromProto(result));
  }
  out.credits = std::clamp(hello.credits(), 0, kMaxSlots);
  out.draining = hello.draining();
  out.shared = hello.shared();
  return out;
}

absl::StatusOr<std::vector<DomainEvents>> ToEvents(SessionId session,
                                                   const v1::WorkerMessage& message) {
  std::vector<DomainEvents> groups;
  for (const v1::CreditGrant& grant : message.credits()) {
    int32_t& credits = GroupOf(&groups, grant.domain(), grant.epoch()).credits;
    credits += std::clamp(grant.credits(), 0, INT32_MAX - credits);
  }
  for (const v1::Started& started : message.started()) {
    PENSTOCK_ASSIGN_OR_RETURN(const core::AttemptRef ref, FromProto(started.attempt()));
    GroupOf(&groups, started.domain(), started.epoch())
        .events.emplace_back(core::AttemptStarted{session, ref, started.started_at_us()});
  }
  for (const v1::Result& result : message.results()) {
    PENSTOCK_ASSIGN_OR_RETURN(core::AttemptResult ended, FromProto(result));
    GroupOf(&groups, result.domain(), result.epoch())
        .events.emplace_back(core::AttemptEnded{session, std::move(ended)});
  }
  for (const v1::HandBack& hand_back : message.hand_backs()) {
    PENSTOCK_ASSIGN_OR_RETURN(const core::AttemptRef ref, FromProto(hand_back.attempt()));
    GroupOf(&groups, hand_back.domain(), hand_back.epoch())
        .events.emplace_back(core::AttemptHandedBack{session, ref});
  }
  return groups;
}

v1::AttemptKey ToProto(const core::AttemptRef& ref) {
  v1::AttemptKey key;
  key.set_run_id(ref.key.run.value());
  key.set_task_index(static_cast<uint32_t>(ref.key.task));
  key.set_map_index(ref.key.map);
  key.set_attempt(ref.attempt);
  return key;
}

absl::StatusOr<logstore::AttemptRef> ToLogRef(const v1::AttemptKey& key) {
  PENSTOCK_ASSIGN_OR_RETURN(const core::AttemptRef ref, FromProto(key));
  return logstore::AttemptRef{ref.key.run, ref.key.task, ref.key.map, ref.attempt};
}

logstore::LogChunk ToLogChunk(const v1::LogChunk& chunk) {
  logstore::LogChunk out;
  out.offset = chunk.offset();
  out.stream = peer::FromProto(chunk.stream());
  out.at = absl::FromUnixMicros(chunk.at_us());
  out.bytes = chunk.data();
  out.end = chunk.end();
  out.truncated = chunk.truncated();
  return out;
}

}  // namespace penstock::api
