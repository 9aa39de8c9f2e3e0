#include "scheduler/api/log_reading.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/log_tail.h"
#include "scheduler/api/task_rows.h"
#include "scheduler/api/validate.h"
#include "scheduler/peer/convert.h"

namespace penstock::api {
namespace {

constexpr size_t kMaxSteps = 64;
constexpr int64_t kMaxTailBytes = 8 << 20;

absl::Status Check(const v1::ReadLogsRequest& request) {
  Checker check;
  check.Text("namespace", request.namespace_(), kMaxNameBytes);
  check.Run(request.run());
  check.Name("task", request.task());
  check.Range("map_index", request.map_index(), -1, INT32_MAX);
  check.Range("attempt", request.attempt(), 0, INT32_MAX);
  check.Range("offset", request.offset(), 0, INT64_MAX);
  check.Range("tail_bytes", request.tail_bytes(), 0, kMaxTailBytes);
  return check.Result();
}

v1::LogRecord ToProto(logstore::LogRecord record, int32_t attempt) {
  v1::LogRecord out;
  out.set_offset(record.offset);
  out.set_stream(peer::ToProto(record.stream));
  SetTime(absl::ToUnixMicros(record.at), out.mutable_at());
  out.set_data(std::move(record.bytes));
  out.set_truncated(record.truncated);
  out.set_attempt(attempt);
  return out;
}

}  // namespace

LogReading::LogReading(const Services& services, const LogReadingOptions& options,
                       v1::ReadLogsRequest request, std::shared_ptr<Stream> stream)
    : s_(services),
      options_(options),
      request_(std::move(request)),
      stream_(std::move(stream)),
      strand_(services.files, kMaxSteps) {}

void LogReading::Begin() { Post(&LogReading::Start); }
void LogReading::OnWritable() { Post(&LogReading::Pump); }

void LogReading::OnClosed(const absl::Status&) {
  strand_.TryPost([self = shared_from_this()] { self->closed_ = true; });
}

void LogReading::Post(Step step) {
  if (strand_.TryPost([self = shared_from_this(), step] { ((*self).*step)(); })) return;
  stream_->Cancel(absl::ResourceExhaustedError("the scheduler is busy reading logs; try again"));
}

void LogReading::PostLater(absl::Duration delay, Step step) {
  s_.timers.After(delay, [weak = weak_from_this(), step] {
    if (const auto self = weak.lock()) self->Post(step);
  });
}

void LogReading::Close(const absl::Status& status) {
  closed_ = true;
  stream_->Close(status);
}

// ---- Which attempt ----

void LogReading::Start() {
  const absl::Status found = FindInstance();
  if (!found.ok()) return Close(found);
  WaitForAttempt();
}

absl::Status LogReading::FindInstance() {
  PENSTOCK_RETURN_IF_ERROR(Check(request_));
  PENSTOCK_ASSIGN_OR_RETURN(const auto ns, s_.namespaces.Find(NamespaceOf(request_.namespace_())));
  PENSTOCK_ASSIGN_OR_RETURN(const auto run, FindRun(s_.catalog, ns, request_.run()));
  PENSTOCK_ASSIGN_OR_RETURN(const auto version, s_.versions.Get(run.row.version));
  PENSTOCK_ASSIGN_OR_RETURN(const int32_t task, FindTask(*version->topology, request_.task()));
  key_ = {run.row.id, task, request_.map_index() <= 0 ? -1 : request_.map_index()};
  return absl::OkStatus();
}

void LogReading::WaitForAttempt() {
  if (closed_) return;
  const absl::StatusOr<bool> found = FindAttempt();
  if (!found.ok()) return Close(found.status());
  if (*found) return BeginReading();
  if (!request_.follow()) {
    return Close(MakeStatus(
        absl::StatusCode::kNotFound,
        fmt::format("task {} has not started yet; follow its log to wait", request_.task())));
  }
  PostLater(options_.poll, &LogReading::WaitForAttempt);
}

absl::StatusOr<bool> LogReading::FindAttempt() {
  PENSTOCK_ASSIGN_OR_RETURN(const auto row, s_.catalog.GetTask(key_));
  const int32_t latest = row.has_value() ? row->row.attempt : 0;
  attempt_ = request_.attempt() == 0 ? latest : request_.attempt();
  if (attempt_ > 0 && attempt_ <= latest) return true;
  PENSTOCK_ASSIGN_OR_RETURN(const auto run, s_.catalog.GetRun(key_.run));
  const bool over =
      core::IsTerminal(run.row.state) || (row.has_value() && core::IsTerminal(row->row.state));
  if (!over && request_.attempt() == 0) return false;
  const std::string what =
      latest == 0 ? "made no attempt, so it has no log"
                  : fmt::format("has no attempt {}; the latest is {}", attempt_, latest);
  return MakeStatus(absl::StatusCode::kNotFound, fmt::format("task {} {}", request_.task(), what));
}

// ---- Reading ----

void LogReading::BeginReading() {
  log_.emplace(s_, logstore::AttemptRef{key_.run, key_.task, key_.map, attempt_},
               request_.offset());
  if (request_.tail_bytes() > 0) {
    const absl::Status gathered = GatherTail();
    if (!gathered.ok()) return Close(gathered);
  }
  Pump();
}

absl::Status LogReading::GatherTail() {
  PENSTOCK_RETURN_IF_ERROR(log_->SkipToTail(request_.tail_bytes()));
  LogTail tail(request_.tail_bytes());
  for (bool more = true; more;) {
    PENSTOCK_ASSIGN_OR_RETURN(LogPiece piece, log_->Next(/*ask_peers=*/true));
    ended_ = piece.ended;
    more = !piece.ended && !piece.records.empty();
    tail.Add(std::move(piece.records));
  }
  for (logstore::LogRecord& record : tail.Take()) {
    waiting_.push_back(ToProto(std::move(record), attempt_));
  }
  return absl::OkStatus();
}

void LogReading::Pump() {
  while (!closed_ && log_.has_value() && SendWaiting()) {
    if (ended_) return Close(absl::OkStatus());
    const bool ask_peers = polls_ % options_.polls_per_peer_round == 0;
    absl::StatusOr<LogPiece> piece = log_->Next(ask_peers);
    if (!piece.ok()) return Close(piece.status());
    ended_ = piece->ended;
    if (piece->records.empty() && !ended_) return OnNothing();
    over_since_.reset();
    Enqueue(std::move(piece->records));
  }
}

void LogReading::Enqueue(std::vector<logstore::LogRecord> records) {
  for (logstore::LogRecord& record : records) {
    waiting_.push_back(ToProto(std::move(record), attempt_));
  }
}

bool LogReading::SendWaiting() {
  while (!waiting_.empty()) {
    if (!stream_->Send(waiting_.front())) return false;
    waiting_.pop_front();
  }
  return true;
}

void LogReading::OnNothing() {
  ++polls_;
  const absl::StatusOr<bool> over = IsOver();
  if (!over.ok()) return Close(over.status());
  if (!*over && !request_.follow()) return Close(absl::OkStatus());
  if (*over && !over_since_.has_value()) over_since_ = s_.clock.Steady();
  if (*over && s_.clock.Steady() - *over_since_ >= options_.grace) return SendIncomplete();
  PostLater(options_.poll, &LogReading::Pump);
}

absl::StatusOr<bool> LogReading::IsOver() {
  PENSTOCK_ASSIGN_OR_RETURN(const auto row, s_.catalog.GetTask(key_));
  return !row.has_value() || row->row.attempt != attempt_ || !core::IsLive(row->row.state);
}

// An attempt that wrote nothing leaves nothing in the log store, not even its end.
absl::StatusOr<bool> LogReading::WasSilent() {
  if (log_->offset() > 0) return false;
  PENSTOCK_ASSIGN_OR_RETURN(const auto row, s_.catalog.GetTask(key_));
  return row.has_value() && row->row.attempt == attempt_ &&
         row->row.cause != core::Cause::kWorkerLost && row->row.cause != core::Cause::kLeaseLost;
}

void LogReading::SendIncomplete() {
  const absl::StatusOr<bool> silent = WasSilent();
  if (!silent.ok() || *silent) return Close(silent.status());
  v1::LogRecord record;
  record.set_offset(log_->offset());
  record.set_stream(v1::LOG_STREAM_SYSTEM);
  record.set_incomplete(true);
  record.set_attempt(attempt_);
  stream_->Send(std::move(record));
  Close(absl::OkStatus());
}

}  // namespace penstock::api
