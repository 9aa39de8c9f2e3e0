#pragma once
// Between the log store's values and their wire form.
#include <cstdint>

#include "common/logstore/log_store.h"
#include "penstock/v1/peer.pb.h"

namespace penstock::peer {

// Where to read: an attempt, and how many bytes of its log to leave out.
struct LogPlace {
  logstore::AttemptRef attempt;
  int64_t offset = 0;
};

v1::ReadLogRequest ToProto(const LogPlace& place);
// INVALID_ARGUMENT for keys that no attempt can have.
absl::StatusOr<LogPlace> FromProto(const v1::ReadLogRequest& request);

v1::ReadLogResponse ToProto(logstore::LogRecord record);
logstore::LogRecord FromProto(v1::ReadLogResponse response);

v1::LogStream ToProto(logstore::LogStream stream);
// Unknown numbers (a newer peer's) become kSystem.
logstore::LogStream FromProto(v1::LogStream stream);

}  // namespace penstock::peer
