#pragma once
// What WorkerCore asks for. The carrier sends `out` and does the rest in the order of the members.
#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "worker/core/attempt.h"
#include "worker/core/cause.h"
#include "worker/core/result.h"

namespace penstock::worker {

// One control stream, named by the carrier; never reused.
using StreamId = StrongId<struct StreamTag, int64_t>;

// Binds a domain to the stream that it is sent on.
struct DomainHello {
  DomainId domain;
  Epoch epoch;
  std::vector<AttemptKey> running;     // everything held, sorted
  std::vector<Result> unacknowledged;  // sorted; those that exceed Options::hello_result_bytes are
                                       // listed in `running` and follow as results
  int32_t credits = 0;                 // absolute
  bool draining = false;
  bool shared = false;  // several domains are served: unused credits are to return
  int64_t offer = 0;    // number of the offer that this answers
};

struct CreditGrant {
  DomainId domain;
  Epoch epoch;
  int32_t credits = 0;  // additional, > 0
};

// Items below carry the epoch of the binding under which they are sent.
struct StartedNote {
  DomainId domain;
  Epoch epoch;
  AttemptKey key;
  int64_t started_at_us = 0;
};
struct ResultNote {
  DomainId domain;
  Epoch epoch;
  Result result;
};
struct HandBack {
  DomainId domain;
  Epoch epoch;
  AttemptKey key;
};

// Messages for one stream; the receiver processes them in the order of the members.
struct Outgoing {
  StreamId stream;
  std::vector<DomainHello> hellos;
  std::vector<CreditGrant> credits;
  std::vector<StartedNote> started;
  std::vector<ResultNote> results;
  std::vector<HandBack> hand_backs;
  std::optional<int64_t> renew_sequence;
  bool draining = false;
};

// The domain's attempts may run until `deadline`; the guardian kills them then.
struct LeaseExtension {
  DomainId domain;
  SteadyTime deadline;
};
struct Launch {
  AttemptKey key;
  DomainId domain;
  SteadyTime deadline;
};
struct KillOrder {
  AttemptKey key;
  Cause cause = Cause::kCancelled;
  bool at_once = false;  // SIGKILL; otherwise SIGTERM, grace, SIGKILL
};

struct Effects {
  std::vector<SessionId> sessions_opened;  // open a stream of it to every scheduler
  std::vector<SessionId> sessions_closed;  // close its streams
  std::vector<LeaseExtension> leases;
  std::vector<Launch> launches;       // answered by Started and Finished, or Finished alone
  std::vector<KillOrder> kills;       // answered by Finished; may name a launch of above
  std::vector<AttemptKey> forgotten;  // will not be launched: drop what was kept for them
  std::vector<Outgoing> out;          // at most one per stream
  // To be ended and opened again: a hello that says `shared` for the first time must not cross
  // assignments under way, and on a new stream it cannot.
  std::vector<StreamId> streams_to_reopen;
  bool duplicate_session = false;  // another process has this session's id: end this one

  // The entry of `stream`, made when missing. The reference holds until the next call.
  Outgoing& To(StreamId stream);
  bool empty() const;
};

}  // namespace penstock::worker
