#pragma once
// Where worker streams meet the owners: the only path between a connected session and the domains
// that this process owns. Knows nothing of gRPC.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/mutex.h"
#include "scheduler/core/events.h"

namespace penstock::engine {

// Output of an upstream task that an assignment carries.
struct UpstreamOutput {
  core::TaskKey key;
  std::string output_json;
};

struct ReadyAssignment {
  core::Assign assign;
  std::vector<UpstreamOutput> outputs;
};

// Messages of one domain to one session, in the order of the members.
struct SessionMail {
  std::vector<core::AckResult> acks;
  std::vector<core::Revoke> revokes;
  std::vector<ReadyAssignment> assignments;
  int32_t credits_returned = 0;
  std::optional<int32_t> wish;
  bool session_lost = false;
  bool drain = false;
};

// One connected stream as the hub sees it. Implemented by api/. Thread-safe, never blocks; mail to
// a stream that has ended is dropped.
class SessionStream {
 public:
  virtual ~SessionStream() = default;
  // The worker answers each offer with a hello that names `number`.
  virtual void Offer(DomainId domain, Epoch epoch, int64_t number) = 0;
  virtual void Withdraw(DomainId domain, Epoch epoch) = 0;  // not the owner any more
  virtual void Deliver(DomainId domain, Epoch epoch, SessionMail mail) = 0;
  virtual void SetFleet(const std::vector<std::string>& addresses) = 0;
};

// The owner's side: what a domain of this process offers to the hub. Thread-safe, never blocks.
class DomainInbox {
 public:
  virtual ~DomainInbox() = default;
  virtual void Post(core::Event event) = 0;
  virtual void Post(std::vector<core::Event> events) = 0;
  // True when this process' lease on the domain certainly holds now.
  virtual bool LeaseHolds(SteadyTime now) const = 0;
};

// What a hello says, after conversion.
struct DomainHello {
  DomainId domain;
  Epoch epoch;
  int64_t offer = 0;  // number of the offer that it answers
  std::vector<core::AttemptRef> running;
  std::vector<core::AttemptResult> unacknowledged;
  int32_t credits = 0;
  bool draining = false;
  bool shared = false;
};

// Thread-safe. Streams are shared with the API layer, which owns them; domains register themselves.
class SessionHub {
 public:
  explicit SessionHub(const Clock& clock) : clock_(clock) {}

  // ---- API side ----
  // A new stream said hello. ALREADY_EXISTS when another live stream carries the same session from
  // another peer. Offers follow at once.
  absl::Status Attach(const core::SessionInfo& info, std::shared_ptr<SessionStream> stream);
  void Detach(SessionId session, const SessionStream* stream);
  // Only the answer to the latest offer counts. One to an older offer may have been on its way for
  // long: what is assigned on the strength of it would cross the answer to the later offer.
  void OnDomainHello(SessionId session, DomainHello hello);
  // What a message of a bound session says about one domain, handed over at once so that one step
  // can hold it all: `credits` granted (0 = none); started, ended, handed back, draining. News of a
  // domain or epoch that is not bound here is dropped (the worker says it again in its next hello).
  void OnEvents(SessionId session, DomainId domain, Epoch epoch, int32_t credits,
                std::vector<core::Event> events);
  // Confirms a renewal: the domains durably bound to this session whose owner's lease holds now.
  std::vector<DomainId> OnRenew(SessionId session);
  // Proven death. Told to all owners of this process, and again to each that loads its domain: what
  // it was told before, it may have forgotten with a flush that failed.
  void OnSessionDead(SessionId session);

  // ---- Owner side ----
  // From now on the domain is offered; `inbox` must outlive Unregister().
  void Register(DomainId domain, Epoch epoch, DomainInbox* inbox);
  // Says to all sessions: hello again, please (the owner reloaded).
  void Resync(DomainId domain);
  void Unregister(DomainId domain);
  // The hello that made `binding` has been committed.
  void Bound(DomainId domain, SessionId session, core::BindingId binding);
  // Delivers all of `mail` if `binding` is the session's latest for the domain, else what needs no
  // binding: acknowledgements, the session's end, the wish that it drains.
  void Deliver(DomainId domain, SessionId session, core::BindingId binding, SessionMail mail);

  void SetFleet(std::vector<std::string> addresses);
  // For metrics.
  size_t stream_count() const;

 private:
  struct Binding {
    core::BindingId id;
    Epoch epoch;
    bool durable = false;  // its hello has been committed
  };
  struct Session {
    core::SessionInfo info;
    std::shared_ptr<SessionStream> stream;
    absl::btree_map<DomainId, Binding> bindings;
    absl::btree_map<DomainId, int64_t> offers;  // number of the latest one
  };
  struct Owner {
    Epoch epoch;
    DomainInbox* inbox = nullptr;
  };
  void Offer(Session& session, DomainId domain, Epoch epoch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellOfTheDead(DomainInbox* inbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Owner* BoundOwner(Session& session, DomainId domain, Epoch epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Clock& clock_;
  mutable Mutex mu_;
  absl::btree_map<SessionId, Session> sessions_ ABSL_GUARDED_BY(mu_);
  absl::btree_map<DomainId, Owner> owners_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> fleet_ ABSL_GUARDED_BY(mu_);
  std::deque<SessionId> dead_ ABSL_GUARDED_BY(mu_);  // the latest ones
  int64_t next_binding_ ABSL_GUARDED_BY(mu_) = 1;
  int64_t next_offer_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace penstock::engine
