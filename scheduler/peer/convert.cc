#include "scheduler/peer/convert.h"

#include <cstdint>
#include <utility>

namespace penstock::peer {

v1::ReadLogRequest ToProto(const LogPlace& place) {
  v1::ReadLogRequest request;
  v1::AttemptKey* key = request.mutable_attempt();
  key->set_run_id(place.attempt.run.value());
  key->set_task_index(static_cast<uint32_t>(place.attempt.task));
  key->set_map_index(place.attempt.map);
  key->set_attempt(place.attempt.attempt);
  request.set_offset(place.offset);
  return request;
}

absl::StatusOr<LogPlace> FromProto(const v1::ReadLogRequest& request) {
  const v1::AttemptKey& key = request.attempt();
  if (key.run_id() <= 0 || key.task_index() > INT32_MAX || key.map_index() < -1 ||
      key.attempt() < 0 || request.offset() < 0) {
    return absl::InvalidArgumentError("no attempt can have this key, or the offset is negative");
  }
  return LogPlace{
      {RunId(key.run_id()), static_cast<int32_t>(key.task_index()), key.map_index(), key.attempt()},
      request.offset()};
}

v1::ReadLogResponse ToProto(logstore::LogRecord record) {
  v1::ReadLogResponse response;
  response.set_offset(record.offset);
  response.set_stream(ToProto(record.stream));
  response.set_at_us(absl::ToUnixMicros(record.at));
  response.set_data(std::move(record.bytes));
  response.set_truncated(record.truncated);
  return response;
}

logstore::LogRecord FromProto(v1::ReadLogResponse response) {
  logstore::LogRecord record;
  record.offset = response.offset();
  record.stream = FromProto(response.stream());
  record.at = absl::FromUnixMicros(response.at_us());
  record.bytes = std::move(*response.mutable_data());
  record.truncated = response.truncated();
  return record;
}

v1::LogStream ToProto(logstore::LogStream stream) {
  switch (stream) {
    case logstore::LogStream::kStdout:
      return v1::LOG_STREAM_STDOUT;
    case logstore::LogStream::kStderr:
      return v1::LOG_STREAM_STDERR;
    case logstore::LogStream::kSystem:
      return v1::LOG_STREAM_SYSTEM;
  }
  return v1::LOG_STREAM_SYSTEM;
}

logstore::LogStream FromProto(v1::LogStream stream) {
  if (stream == v1::LOG_STREAM_STDOUT) return logstore::LogStream::kStdout;
  if (stream == v1::LOG_STREAM_STDERR) return logstore::LogStream::kStderr;
  return logstore::LogStream::kSystem;
}

}  // namespace penstock::peer
