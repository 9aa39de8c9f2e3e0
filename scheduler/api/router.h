#pragma once
// Brings a request to the owner of its domain: this process, or a peer. Waits while nobody owns the
// domain (a takeover takes from under a second to a lease term) and follows a domain that moves.
// Refuses at once in a process that is cut off (isolation.h).
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/service/executor.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/api/caller.h"
#include "scheduler/api/delay_queue.h"
#include "scheduler/api/isolation.h"
#include "scheduler/engine/engine.h"
#include "scheduler/peer/client.h"

namespace penstock::api {

// A request in the router's hands.
struct OwnerCall {
  DomainId domain;
  std::string method;  // "CancelRun"
  // Whether doing it again, `repeated`, is as good as once, although an earlier try may have been
  // carried out. Empty = always. Asked after every try whose outcome is not known.
  std::function<bool()> repeatable;
  // Carries it out here, where the domain was local a moment ago. May run several times; starts
  // each time from an untouched response. `repeated`: an earlier try may have been carried out.
  std::function<void(const engine::Place&, bool repeated, Done)> local;
  std::function<std::string()> request;          // serialised, for the owner; asked once
  std::function<bool(const std::string&)> take;  // parses the owner's response
};

// Thread-safe.
class Router {
 public:
  struct Options {
    absl::Duration first_pause = absl::Milliseconds(20);  // grows to last_pause
    absl::Duration last_pause = absl::Milliseconds(250);
  };

  // All outlive the router and every call under way.
  Router(engine::Engine& engine, const Isolation& isolation, peer::Client& peers,
         service::Executor& work, DelayQueue& timers, const Clock& clock, Options options)
      : engine_(engine),
        isolation_(isolation),
        peers_(peers),
        work_(work),
        timers_(timers),
        clock_(clock),
        options_(options) {}

  // Call it where blocking is allowed: `local` may run before it returns.
  void Run(const Caller& caller, OwnerCall call, Done done);

 private:
  struct Pending;
  using PendingPtr = std::shared_ptr<Pending>;  // shared by the callbacks of one request

  void Try(const PendingPtr& pending);
  void RunHere(const PendingPtr& pending, const engine::Place& place);
  void OnLocalDone(const PendingPtr& pending, const absl::Status& status);
  void Forward(const PendingPtr& pending, const std::string& address);
  void OnAnswer(const PendingPtr& pending, peer::ForwardAnswer answer);
  void OnDoubt(const PendingPtr& pending, const absl::Status& why);
  void GiveUp(const PendingPtr& pending, const absl::Status& status);
  void TryLater(const PendingPtr& pending, const absl::Status& why);

  engine::Engine& engine_;
  const Isolation& isolation_;
  peer::Client& peers_;
  service::Executor& work_;
  DelayQueue& timers_;
  const Clock& clock_;
  const Options options_;
};

// The usual case: request and response are messages that live until `done`.
template <typename Request, typename Response>
OwnerCall MakeOwnerCall(DomainId domain, std::string method, const Request& request,
                        Response* response, std::function<void(const engine::Place&, Done)> local) {
  OwnerCall call;
  call.domain = domain;
  call.method = std::move(method);
  call.local = [response, local = std::move(local)](const engine::Place& place, bool, Done done) {
    response->Clear();
    local(place, std::move(done));
  };
  call.request = [&request] { return request.SerializeAsString(); };
  call.take = [response](const std::string& bytes) { return response->ParseFromString(bytes); };
  return call;
}

}  // namespace penstock::api
