#pragma once
// Between the wire's messages and the core's values. Nothing from outside is trusted: what cannot
// be converted is refused with a sentence, never guessed.
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "penstock/v1/worker.pb.h"
#include "worker/core/effects.h"
#include "worker/core/worker_core.h"

namespace penstock::worker {

void ToProto(const AttemptKey& key, v1::AttemptKey* out);
AttemptKey FromProto(const v1::AttemptKey& key);

v1::Cause ToProto(Cause cause);
v1::Result::Outcome ToProto(Outcome outcome);
// Only what an owner may ask for: CANCELLED or RUN_TIMEOUT. INVALID_ARGUMENT for all else.
absl::StatusOr<Cause> RevokeCause(v1::Cause cause);
// INVALID_ARGUMENT for a reason that this program does not know.
absl::StatusOr<EndReason> FromProto(v1::DomainEnd::Reason reason);

// What a worker tells about itself in the first message of a stream.
struct Introduction {
  std::string name;
  std::string group;
  std::vector<std::string> queues;
  std::map<std::string, std::string> labels;
  Capacity capacity;
  int slots = 1;
  int64_t started_at_us = 0;
  std::string version;
  std::vector<SessionId> dead_sessions;  // of earlier workers on this machine, proven to be dead
};
v1::WorkerHello ToProto(const Introduction& introduction, SessionId session,
                        Incarnation incarnation);

// The messages that say all of `out`, in order, each of about `max_bytes` at most (but never less
// than one item). Never empty unless `out` is.
std::vector<v1::WorkerMessage> ToProto(Outgoing out, size_t max_bytes);

// Moves `next` behind what `last` says when the receiver then does the same as with both, one after
// the other, and the sum stays below a bound. For rpc::StreamOptions.
bool MergeMessages(v1::WorkerMessage& last, v1::WorkerMessage& next);

}  // namespace penstock::worker
