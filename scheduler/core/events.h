#pragma once
// What a Domain is told (events, commands) and what it asks for (effects). Plain values.
// Effects take hold only after the flush that carries their rows has been committed.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/dag/topology.h"
#include "scheduler/core/facts.h"
#include "scheduler/core/flush_batch.h"

namespace penstock::core {

class Version;

// The carrier's name for a command whose answer somebody waits for.
using CommandId = StrongId<struct CommandTag, int64_t>;
// One binding of a session to this domain: made anew by every domain hello. Messages to a session
// name it; the carrier drops those of a binding that is not the session's latest.
using BindingId = StrongId<struct BindingTag, int64_t>;

struct AttemptRef {
  TaskKey key;
  int32_t attempt = 0;
  friend bool operator==(const AttemptRef&, const AttemptRef&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const AttemptRef& a) {
    return H::combine(std::move(h), a.key, a.attempt);
  }
};

enum class Outcome : uint8_t { kSuccess, kFailed, kSkipped, kFailedNoRetry };

struct AttemptResult {
  AttemptRef ref;
  Outcome outcome = Outcome::kFailed;
  Cause cause = Cause::kNone;
  int32_t exit_code = 0;
  int32_t signal = 0;
  int64_t peak_rss_kib = 0;
  int64_t cpu_ms = 0;
  int64_t started_us = 0;
  int64_t finished_us = 0;
  std::string output_json;
  std::string error;
};

// ---- Events from workers ----

struct SessionHello {
  SessionInfo info;
  BindingId binding;
  std::vector<AttemptRef> running;
  std::vector<AttemptResult> unacknowledged;
  int32_t credits = 0;
  bool draining = false;
  bool shared = false;  // serves several domains: gets unused credits back
};
struct BindingClosed {  // the stream is gone; the lease goes on
  SessionId session;
  BindingId binding;
};
struct SessionConfirmed {  // last renewal confirmed to the session
  SessionId session;
  SteadyTime at;
};
struct SessionDead {  // proven: by its guardian, or by a later life of the worker
  SessionId session;
};
struct CreditsGranted {
  SessionId session;
  BindingId binding;
  int32_t credits = 0;
};
struct AttemptStarted {
  SessionId session;
  AttemptRef ref;
  int64_t started_us = 0;
};
struct AttemptEnded {
  SessionId session;
  AttemptResult result;
};
struct AttemptHandedBack {
  SessionId session;
  AttemptRef ref;
};
struct SessionDraining {
  SessionId session;
};

// ---- Commands: events whose answer somebody waits for ----

struct NewRun {
  DagId dag;
  std::string key;  // "" = "run-<id>"
  std::string idempotency_key;
  int64_t logical_date_us = 0;
  std::string params_json;  // resolved against the version's declaration
  std::string note;
  // When the database was last asked for runs with these keys, on this process' clock. A domain
  // knows the keys of live and recent runs only, so a look-up from before its load is too old:
  // ABORTED, look them up again. Without keys it does not matter.
  SteadyTime looked_up;
};
struct CreateRuns {
  std::vector<NewRun> runs;  // all or none
};
struct CancelRun {
  RunId run;
};
struct RetryRun {
  RunId run;
  // The run's facts when it is not live (its rows were read for this); null otherwise. ABORTED
  // when it has ended (again) since they were read: read them anew.
  std::shared_ptr<const DomainFacts> loaded;
};
struct ApplyDag {  // new DAG, or a new version of one
  DagRow dag;
  std::shared_ptr<const dag::Topology> topology;
};
struct SetDagPaused {
  DagId dag;
  bool paused = false;
};
struct DeleteDag {
  DagId dag;
};
struct SetPool {
  PoolRow pool;
};
struct DeletePool {
  std::string name;
};
struct AddNamespace {
  NamespaceRow ns;
};
struct DrainWorker {
  std::string name;
};
using CommandBody = std::variant<CreateRuns, CancelRun, RetryRun, ApplyDag, SetDagPaused, DeleteDag,
                                 SetPool, DeletePool, AddNamespace, DrainWorker>;

struct Command {
  CommandId id;  // 0 = nobody waits
  CommandBody body;
  std::string actor;     // who asks, for the audit log
  int64_t inbox_id = 0;  // the inbox row that it consumes; 0 = none
};

// ---- Events from the carrier ----

struct IdsGranted {
  RunId first;
  int64_t count = 0;
};
// With DomainOptions::careful: until another event comes, this is the run about which is decided.
struct RunTurn {
  RunId run;
};
struct VersionLoaded {
  VersionId version;
  std::shared_ptr<const dag::Topology> topology;
};

using Event = std::variant<SessionHello, BindingClosed, SessionConfirmed, SessionDead,
                           CreditsGranted, AttemptStarted, AttemptEnded, AttemptHandedBack,
                           SessionDraining, Command, IdsGranted, VersionLoaded, RunTurn>;

// ---- Effects beside the rows ----

// What an assignment says of its run; shared by all assignments of the run, immutable.
struct RunInfo {
  RunId id;
  VersionId version;
  std::string key;
  int64_t logical_date_us = 0;
  std::string params_json;
};
struct Assign {
  SessionId session;
  BindingId binding;
  AttemptRef ref;
  int32_t try_number = 1;
  std::shared_ptr<const RunInfo> run;
  // Set when the task's expressions name outputs of upstream tasks (Version::outputs_of): the
  // carrier adds their values. Null otherwise.
  std::shared_ptr<const Version> outputs_from;
};
struct AckResult {
  SessionId session;
  AttemptRef ref;
};
struct Revoke {
  SessionId session;
  BindingId binding;
  AttemptRef ref;
  Cause cause = Cause::kCancelled;
};
struct ReturnCredits {
  SessionId session;
  BindingId binding;
  int32_t credits = 0;
};
struct WishCredits {
  SessionId session;
  BindingId binding;
  int32_t wanted = 0;
};
// The session's hello is durable: from now on its renewals may be confirmed. (A confirmation that
// no successor could know of would let it take the session for lost too early.)
struct SessionBound {
  SessionId session;
  BindingId binding;
};
struct EndSession {  // the session is lost: it must start another one
  SessionId session;
};
struct AskDrain {
  SessionId session;
};
struct Reply {
  CommandId command;
  absl::Status status;
  std::vector<RunRow> runs;   // CreateRuns, CancelRun, RetryRun
  std::vector<bool> existed;  // CreateRuns: met a live run with the same idempotency key
  int32_t sessions = 0;       // DrainWorker
  bool in_doubt = false;      // with an error: whether it was decided is not known
};

struct Effects {
  FlushBatch batch;
  std::vector<Assign> assigns;
  std::vector<AckResult> acks;
  std::vector<Revoke> revokes;
  std::vector<ReturnCredits> credit_returns;
  std::vector<WishCredits> wishes;
  std::vector<SessionBound> bound;
  std::vector<EndSession> ended;
  std::vector<AskDrain> drains;
  std::vector<Reply> replies;
  std::vector<RunId> changed_runs;  // for watches; may repeat
  // All sessions are to say hello again: results that were left alone count now.
  bool resync = false;
  bool nothing() const {
    return batch.empty() && assigns.empty() && acks.empty() && revokes.empty() &&
           credit_returns.empty() && wishes.empty() && ended.empty() && drains.empty() &&
           replies.empty() && !resync;
  }
};

}  // namespace penstock::core
