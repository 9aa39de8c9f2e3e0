#include "worker/session/convert.h"

#include <utility>

#include "common/base/status.h"

namespace penstock::worker {

namespace {

// A merged message stays below kMaxMergedItems * kSmallBytes, or below kMaxMergedBytes.
constexpr int kMaxMergedItems = 2000;
constexpr size_t kSmallBytes = 4 << 10;
constexpr size_t kMaxMergedBytes = 512 << 10;

void ToProto(DomainId domain, Epoch epoch, Result result, v1::Result* out) {
  Report& report = result.report;
  out->set_domain(domain.value());
  out->set_epoch(epoch.value());
  ToProto(result.key, out->mutable_attempt());
  out->set_outcome(ToProto(report.outcome));
  out->set_cause(ToProto(report.cause));
  out->set_exit_code(report.exit_code);
  out->set_signal(report.signal);
  out->set_peak_rss_kib(report.peak_rss_kib);
  out->set_cpu_ms(report.cpu_ms);
  out->set_started_at_us(report.started_at_us);
  out->set_finished_at_us(report.finished_at_us);
  out->set_output_json(std::move(report.output_json));
  out->set_error(std::move(report.error));
}

void ToProto(DomainHello hello, v1::DomainHello* out) {
  out->set_domain(hello.domain.value());
  out->set_epoch(hello.epoch.value());
  out->set_offer(hello.offer);
  for (const AttemptKey& key : hello.running) ToProto(key, out->add_running());
  for (Result& result : hello.unacknowledged) {
    ToProto(hello.domain, hello.epoch, std::move(result), out->add_unacknowledged());
  }
  out->set_credits(hello.credits);
  out->set_draining(hello.draining);
  out->set_shared(hello.shared);
}

// Splits by the size of what is added.
class Writer {
 public:
  explicit Writer(size_t max_bytes) : max_bytes_(max_bytes) {}

  // The message to which an item of about `bytes` is to be added.
  v1::WorkerMessage& For(size_t bytes) {
    if (messages_.empty() || (bytes_ > 0 && bytes_ + bytes > max_bytes_)) {
      messages_.emplace_back();
      bytes_ = 0;
    }
    bytes_ += bytes;
    return messages_.back();
  }
  std::vector<v1::WorkerMessage> Take() { return std::move(messages_); }

 private:
  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::vector<v1::WorkerMessage> messages_;
};

constexpr size_t kItemBytes = 48;  // of an item without texts

void WriteHellos(std::vector<DomainHello> hellos, Writer* writer) {
  for (DomainHello& hello : hellos) {
    size_t bytes = kItemBytes * (1 + hello.running.size() + hello.unacknowledged.size());
    for (const Result& result : hello.unacknowledged) bytes += result.report.text_bytes();
    ToProto(std::move(hello), writer->For(bytes).add_domain_hellos());
  }
}

void WriteCredits(const std::vector<CreditGrant>& grants, Writer* writer) {
  for (const CreditGrant& grant : grants) {
    v1::CreditGrant* out = writer->For(kItemBytes).add_credits();
    out->set_domain(grant.domain.value());
    out->set_epoch(grant.epoch.value());
    out->set_credits(grant.credits);
  }
}

void WriteStarted(const std::vector<StartedNote>& notes, Writer* writer) {
  for (const StartedNote& note : notes) {
    v1::Started* out = writer->For(kItemBytes).add_started();
    out->set_domain(note.domain.value());
    out->set_epoch(note.epoch.value());
    ToProto(note.key, out->mutable_attempt());
    out->set_started_at_us(note.started_at_us);
  }
}

void WriteResults(std::vector<ResultNote> notes, Writer* writer) {
  for (ResultNote& note : notes) {
    const size_t bytes = kItemBytes + note.result.report.text_bytes();
    ToProto(note.domain, note.epoch, std::move(note.result), writer->For(bytes).add_results());
  }
}

void WriteHandBacks(const std::vector<HandBack>& hand_backs, Writer* writer) {
  for (const HandBack& back : hand_backs) {
    v1::HandBack* out = writer->For(kItemBytes).add_hand_backs();
    out->set_domain(back.domain.value());
    out->set_epoch(back.epoch.value());
    ToProto(back.key, out->mutable_attempt());
  }
}

int Items(const v1::WorkerMessage& message) {
  return message.credits_size() + message.started_size() + message.results_size() +
         message.hand_backs_size();
}

}  // namespace

void ToProto(const AttemptKey& key, v1::AttemptKey* out) {
  out->set_run_id(key.run.value());
  out->set_task_index(key.task);
  out->set_map_index(key.map);
  out->set_attempt(key.attempt);
}

AttemptKey FromProto(const v1::AttemptKey& key) {
  return {RunId(key.run_id()), key.task_index(), key.map_index(), key.attempt()};
}

v1::Cause ToProto(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return v1::CAUSE_NONE;
    case Cause::kExitCode:
      return v1::CAUSE_EXIT_CODE;
    case Cause::kSignal:
      return v1::CAUSE_SIGNAL;
    case Cause::kTimeout:
      return v1::CAUSE_TIMEOUT;
    case Cause::kOutOfMemory:
      return v1::CAUSE_OUT_OF_MEMORY;
    case Cause::kLeaseLost:
      return v1::CAUSE_LEASE_LOST;
    case Cause::kWorkerLost:
      return v1::CAUSE_WORKER_LOST;
    case Cause::kCancelled:
      return v1::CAUSE_CANCELLED;
    case Cause::kRunTimeout:
      return v1::CAUSE_RUN_TIMEOUT;
    case Cause::kSpawnFailed:
      return v1::CAUSE_SPAWN_FAILED;
    case Cause::kOutputInvalid:
      return v1::CAUSE_OUTPUT_INVALID;
    case Cause::kExpression:
      return v1::CAUSE_EXPRESSION;
    case Cause::kHandedBack:
      return v1::CAUSE_HANDED_BACK;
    case Cause::kSkipRequested:
      return v1::CAUSE_SKIP_REQUESTED;
  }
  return v1::CAUSE_NONE;
}

v1::Result::Outcome ToProto(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess:
      return v1::Result::OUTCOME_SUCCESS;
    case Outcome::kFailed:
      return v1::Result::OUTCOME_FAILED;
    case Outcome::kSkipped:
      return v1::Result::OUTCOME_SKIPPED;
    case Outcome::kFailedNoRetry:
      return v1::Result::OUTCOME_FAILED_NO_RETRY;
  }
  return v1::Result::OUTCOME_UNSPECIFIED;
}

absl::StatusOr<Cause> RevokeCause(v1::Cause cause) {
  if (cause == v1::CAUSE_CANCELLED) return Cause::kCancelled;
  if (cause == v1::CAUSE_RUN_TIMEOUT) return Cause::kRunTimeout;
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    "an attempt is revoked because of a cancellation or the run's timeout only");
}

absl::StatusOr<EndReason> FromProto(v1::DomainEnd::Reason reason) {
  switch (reason) {
    case v1::DomainEnd::REASON_NOT_OWNER:
      return EndReason::kNotOwner;
    case v1::DomainEnd::REASON_SESSION_LOST:
      return EndReason::kSessionLost;
    case v1::DomainEnd::REASON_DUPLICATE_SESSION:
      return EndReason::kDuplicateSession;
    case v1::DomainEnd::REASON_UNSPECIFIED:
    case v1::DomainEnd::Reason::DomainEnd_Reason_DomainEnd_Reason_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::DomainEnd::Reason::DomainEnd_Reason_DomainEnd_Reason_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return MakeStatus(absl::StatusCode::kInvalidArgument, "unknown reason for the end of a domain");
}

v1::WorkerHello ToProto(const Introduction& introduction, SessionId session,
                        Incarnation incarnation) {
  v1::WorkerHello hello;
  hello.set_session_id(session.value());
  hello.set_name(introduction.name);
  hello.set_group(introduction.group);
  for (const std::string& queue : introduction.queues) hello.add_queues(queue);
  hello.mutable_labels()->insert(introduction.labels.begin(), introduction.labels.end());
  hello.set_cpu_millis(introduction.capacity.cpu_millis);
  hello.set_memory_bytes(introduction.capacity.memory_bytes);
  const auto& custom = introduction.capacity.custom;
  hello.mutable_custom_resources()->insert(custom.begin(), custom.end());
  hello.set_slots(introduction.slots);
  hello.set_started_at_us(introduction.started_at_us);
  hello.set_incarnation(incarnation.value());
  hello.set_version(introduction.version);
  for (const SessionId dead : introduction.dead_sessions) hello.add_dead_sessions(dead.value());
  return hello;
}

std::vector<v1::WorkerMessage> ToProto(Outgoing out, size_t max_bytes) {
  Writer writer(max_bytes);
  WriteHellos(std::move(out.hellos), &writer);
  WriteCredits(out.credits, &writer);
  WriteStarted(out.started, &writer);
  WriteResults(std::move(out.results), &writer);
  WriteHandBacks(out.hand_backs, &writer);
  if (out.renew_sequence) writer.For(0).mutable_renew()->set_sequence(*out.renew_sequence);
  if (out.draining) writer.For(0).set_draining(true);
  return writer.Take();
}

// A message is processed kind by kind: what follows must not be moved before what it depends on.
bool MergeMessages(v1::WorkerMessage& last, v1::WorkerMessage& next) {
  if (next.has_hello() || next.domain_hellos_size() > 0) return false;
  if (last.has_renew() && next.has_renew()) return false;
  if (Items(last) + Items(next) > kMaxMergedItems) return false;
  const size_t bytes = next.ByteSizeLong();
  if (bytes > kSmallBytes && last.ByteSizeLong() + bytes > kMaxMergedBytes) return false;
  last.MergeFrom(next);
  return true;
}

}  // namespace penstock::worker
