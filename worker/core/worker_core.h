#pragma once
// What a worker decides: which attempts it takes, starts, ends and reports, to whom it is bound,
// and how long its leases last. A state machine of values: no thread, clock, log or message in it.
// The worker process drives it, and so does the simulator.
//
//   assigned -> preparing -> queued -> starting -> running -> ended: result kept until acknowledged
//                   \___________\--> handed back (revoke, drain, lapsed lease, waited too long)
//
// A domain is bound to one stream under one epoch. A session has streams to all schedulers; a
// second session exists only while some domain must go on under the first one (see Ended).
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/random.h"
#include "worker/core/attempt.h"
#include "worker/core/cause.h"
#include "worker/core/effects.h"
#include "worker/core/prefetch.h"
#include "worker/core/resources.h"
#include "worker/core/result.h"

namespace penstock::worker {

// A stream's first message from a scheduler.
struct Welcome {
  StreamId stream;
  SessionId session;        // that the stream was opened for
  Incarnation incarnation;  // of the database
  absl::Duration term;      // of a session's lease
};

enum class EndReason : uint8_t { kNotOwner, kSessionLost, kDuplicateSession };

struct Assigned {
  DomainId domain;
  Epoch epoch;
  AttemptKey key;
  bool instant = false;  // succeeds by itself at once, without slot or process
  // What it asks for. Null for what is not known yet: Prepared or Finished follows.
  std::shared_ptr<const Demand> demand;  // shared by all attempts of the task
};

// Not thread-safe. Inputs may come in any order and repeat; what is stale has no effect. Call
// Settle after each batch of inputs: only then are attempts started, credits given and hellos said.
// `fx` collects, so that several batches may become one message.
class WorkerCore {
 public:
  struct Options {
    SessionId first_session;  // random, positive
    uint64_t seed = 0;        // of the ids of later sessions
    int slots = 1;            // attempts that run at once, >= 1
    int max_prefetch = 0;     // attempts held beyond the slots while they are short, >= 0
    Capacity capacity;
    // An attempt that waited so long for a slot or for resources is handed back.
    absl::Duration queue_patience = absl::Milliseconds(500);
    // No credits while a domain leaves more than this unacknowledged.
    size_t max_unacknowledged = 16'384;
    size_t max_unacknowledged_bytes = 64 << 20;
    size_t hello_result_bytes = 1 << 20;  // texts of results within one hello
  };
  struct Snapshot {
    int running = 0;  // slots taken
    int queued = 0;   // preparing or waiting
    int credits = 0;  // given and not used
    size_t unacknowledged = 0;
    int bound_domains = 0;
    int domains = 0;
    SteadyTime first_deadline;  // of the leases that attempts depend on; infinite when none do
  };

  explicit WorkerCore(Options options);

  // ---- From streams ----
  // A later incarnation than before ends the session for all domains: the database was restored,
  // and nothing that was leased before it means anything any more.
  void Welcomed(const Welcome& welcome, const Now& now, Effects* fx);
  // The stream is gone. Leases go on, bindings and credits do not.
  void StreamClosed(StreamId stream);
  // A higher epoch, or the same one on a newer stream, moves the domain to `stream`. An offer with
  // another number than the last one is answered with a hello in any case.
  void Offered(StreamId stream, DomainId domain, Epoch epoch, int64_t number);
  // kSessionLost: the domain's attempts are killed, its results dropped, and it goes on under the
  // newest session, once the killed ones are dead. The other domains keep their session.
  void Ended(StreamId stream, DomainId domain, Epoch epoch, EndReason reason, Effects* fx);
  void Acknowledged(StreamId stream, DomainId domain, const AttemptKey& key);
  // Queued: handed back. Started: killed, and its result has `cause`. Unknown: handed back again.
  void Revoked(StreamId stream, DomainId domain, Epoch epoch, const AttemptKey& key, Cause cause,
               Effects* fx);
  // False = refused (stale, a duplicate, without credit, draining) and nothing is kept of it.
  bool Assign(StreamId stream, const Assigned& assigned, const Now& now, Effects* fx);
  void CreditsReturned(StreamId stream, DomainId domain, Epoch epoch, int32_t credits);
  void Wished(StreamId stream, DomainId domain, Epoch epoch, int32_t wanted);
  // The lease of the domains listed lasts a term from when that renewal was asked for.
  void Renewed(StreamId stream, int64_t sequence, std::span<const DomainId> domains, const Now& now,
               Effects* fx);

  // ---- From the process' own parts ----
  // A preparing attempt can start.
  void Prepared(const AttemptKey& key, std::shared_ptr<const Demand> demand, const Now& now);
  // A preparing or queued attempt cannot be started here: it is handed back.
  void Decline(const AttemptKey& key, Effects* fx);
  void Started(const AttemptKey& key, int64_t started_at_us, Effects* fx);
  // The attempt is over and nothing of it runs any more. Unknown keys are ignored.
  void Finished(const AttemptKey& key, Report report, const Now& now, Effects* fx);
  // Asks for renewals on all streams; every third of a term.
  void Renew(const Now& now, Effects* fx);
  // Takes nothing new and hands queued attempts back. What still runs after `grace` is killed;
  // infinite = never. A second call can only shorten the grace.
  void Drain(absl::Duration grace, const Now& now, Effects* fx);
  // Does what the time demands and what the inputs made possible. Call it at NextWakeup() too.
  void Settle(const Now& now, Effects* fx);

  // ---- Views ----
  SteadyTime NextWakeup() const;
  bool draining() const { return draining_; }
  // Draining, and nothing runs or waits for an acknowledgement.
  bool Drained() const;
  // Of the database, as heard under that session; 0 = not yet.
  Incarnation incarnation(SessionId session) const;
  // Sessions in use; the newest is the last.
  const std::vector<SessionId>& sessions() const { return sessions_; }
  Snapshot Look() const;

 private:
  enum class Stage : uint8_t { kPreparing, kQueued, kStarting, kRunning };
  struct Attempt {
    DomainId domain;
    Stage stage = Stage::kPreparing;
    bool doomed = false;  // of a session that was lost: its end is not reported
    std::optional<Cause> killed;
    SteadyTime since;  // of the stage kQueued, then of kStarting
    std::shared_ptr<const Demand> demand;
  };
  struct Domain {
    DomainId id;
    Epoch epoch;        // the highest that it was bound under
    SessionId session;  // under which it is, or will be, bound
    StreamId bound;     // 0 = none
    int64_t offer = 0;  // number of the offer that it is bound by
    bool hello_due = false;
    bool confirmed = false;  // this binding has shown that the owner knows of the hello
    bool lapsed = false;     // the deadline has passed and was acted upon
    bool sated = false;      // gave credits back and has not wished since
    bool wishes = false;     // has unplaced work
    bool said_shared = false;
    SteadyTime hello_at;
    SteadyTime deadline;
    int credits = 0;  // given under this binding and not used
    int grant = 0;    // decided in this Settle, not yet sent
    int held = 0;     // attempts, doomed ones included
    int doomed = 0;
    absl::flat_hash_map<AttemptKey, Report> results;  // not acknowledged
    size_t result_bytes = 0;
    // Revoked under this binding before they were heard of.
    absl::flat_hash_set<AttemptKey> refused;
  };
  struct Offer {
    Epoch epoch;
    int64_t number = 0;
  };
  struct Stream {
    SessionId session;
    absl::Duration term;
    int64_t sequence = 0;
    std::deque<std::pair<int64_t, SteadyTime>> renewals;  // asked for, not answered; newest last
    std::map<DomainId, Offer> offers;
  };
  struct Waiting {
    AttemptKey key;
    SteadyTime since;
  };
  using Attempts = absl::flat_hash_map<AttemptKey, Attempt>;

  Domain* Find(DomainId id);
  Domain* BoundTo(StreamId stream, DomainId id, Epoch epoch);
  std::vector<AttemptKey> KeysOf(DomainId id) const;

  // worker_core.cc: streams, bindings, sessions, leases
  void Rebind(Domain& domain);
  void Bind(Domain& domain, StreamId stream, const Offer& offer);
  static void Unbind(Domain& domain);
  void LoseSession(Domain& domain, Effects* fx);
  void OpenSession(Effects* fx);
  void CloseUnusedSessions(Effects* fx);
  void MoveToNewestSession(Domain& domain);
  void Extend(Domain& domain, SteadyTime deadline, const Now& now, Effects* fx);
  void Expire(SteadyTime now, Effects* fx);
  void Lapse(Domain& domain, Effects* fx);
  void SayHello(Domain& domain, SteadyTime now, Effects* fx);
  bool shared() const { return domains_.size() > 1; }
  void SayThatShared(Effects* fx);

  // attempts.cc
  bool Accept(Domain& domain, const Assigned& assigned, const Now& now, Effects* fx);
  void Keep(Domain& domain, const AttemptKey& key, Report report, Effects* fx);
  void GiveBack(Domain& domain, const AttemptKey& key, Effects* fx);
  void EndUnstarted(const AttemptKey& key, Effects* fx);
  void KillStarted(const AttemptKey& key, Attempt& attempt, Cause cause, bool at_once, Effects* fx);
  void Remove(Attempts::iterator it);
  void GiveUpImpatient(std::deque<Waiting>& line, SteadyTime now, Effects* fx);
  void StartWaiting(SteadyTime now, Effects* fx);
  bool TryStart(const Waiting& waiting, SteadyTime now, Effects* fx);
  bool IsWaiting(const AttemptKey& key) const;
  void EndGrace(SteadyTime now, Effects* fx);

  // credits.cc
  bool LeaseAllowsWork(const Domain& domain, SteadyTime now) const;
  bool MayGrant(const Domain& domain, SteadyTime now) const;
  void Distribute(SteadyTime now);
  void GiveInTurn(int free, SteadyTime now);
  void SendGrants(Effects* fx);

  const Options options_;
  std::map<DomainId, Domain> domains_;
  std::map<StreamId, Stream> streams_;
  std::vector<SessionId> sessions_;
  std::map<SessionId, Incarnation> incarnations_;  // of sessions in use
  Attempts attempts_;
  std::deque<Waiting> queue_;    // for a slot; entries of attempts that have gone are skipped
  std::deque<Waiting> starved_;  // for resources
  bool resources_freed_ = false;
  int running_ = 0;  // slots taken
  int credits_ = 0;  // the sum of the domains'
  ResourceLedger ledger_;
  Prefetch prefetch_;
  SplitMix64 random_;
  SteadyTime next_deadline_ = SteadyTime::Infinite();  // no lease that matters ends before
  DomainId last_served_;                               // whose turn was last
  bool draining_ = false;
  SteadyTime drain_until_ = SteadyTime::Infinite();
};

}  // namespace penstock::worker
