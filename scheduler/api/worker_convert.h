#pragma once
// Between the worker protocol's messages and the values of core and engine. What a worker sends is
// checked: a malformed key ends its stream, a malformed text or output is repaired or becomes the
// attempt's failure, so that no worker is made to send the same thing for ever.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/logstore/log_store.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/engine/session_hub.h"

namespace penstock::api {

inline constexpr size_t kMaxErrorBytes = 4 << 10;
inline constexpr size_t kMaxOutputBytes = 1 << 20;
inline constexpr size_t kMaxLogChunkBytes = 4 << 20;

// INVALID_ARGUMENT with every problem.
absl::StatusOr<core::SessionInfo> FromProto(const v1::WorkerHello& hello);
absl::StatusOr<core::AttemptRef> FromProto(const v1::AttemptKey& key);
absl::StatusOr<core::AttemptResult> FromProto(const v1::Result& result);
absl::StatusOr<engine::DomainHello> FromProto(const v1::DomainHello& hello);

// What a message says about one domain: its events in the order in which they count.
struct DomainEvents {
  DomainId domain;
  Epoch epoch;
  int32_t credits = 0;  // granted
  std::vector<core::Event> events;
};
// `credits`, and `started`, `results` and `hand_backs` in this order.
absl::StatusOr<std::vector<DomainEvents>> ToEvents(SessionId session,
                                                   const v1::WorkerMessage& message);

v1::AttemptKey ToProto(const core::AttemptRef& ref);
// `none` for keys that no log can have.
absl::StatusOr<logstore::AttemptRef> ToLogRef(const v1::AttemptKey& key);
// Borrows the chunk's bytes.
logstore::LogChunk ToLogChunk(const v1::LogChunk& chunk);

// The mail of one domain as messages of about a megabyte at most each. Assignments too large for
// any message go to `refused` instead.
std::vector<v1::SchedulerMessage> ToMessages(DomainId domain, Epoch epoch, engine::SessionMail mail,
                                             std::vector<core::AttemptRef>* refused);

// Appends `next` to `last` (which waits to be sent) where the receiver, who takes a message field
// by field, cannot tell the difference. False = not merged.
bool MergeMessages(v1::SchedulerMessage& last, v1::SchedulerMessage& next);

}  // namespace penstock::api
