#include "scheduler/api/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/base/status.h"
#include "scheduler/engine/errors.h"

namespace penstock::api {

struct Router::Pending {
  Caller caller;
  OwnerCall call;
  Done done;
  absl::Duration pause;
  bool repeated = false;  // an earlier try may have been carried out
  std::optional<std::string> request;
};

void Router::Run(const Caller& caller, OwnerCall call, Done done) {
  auto pending = std::make_shared<Pending>();
  pending->caller = caller;
  pending->call = std::move(call);
  pending->done = std::move(done);
  pending->pause = options_.first_pause;
  pending->repeated = caller.repeated;
  Try(pending);
}

void Router::Try(const PendingPtr& pending) {
  if (isolation_.cut_off()) return GiveUp(pending, CutOffError());
  const absl::StatusOr<engine::Place> place = engine_.Locate(pending->call.domain);
  if (place.ok() && place->local) return RunHere(pending, *place);
  if (pending->caller.forwarded) {
    return pending->done(engine::NotOwner());
  }
  if (!place.ok()) return TryLater(pending, place.status());
  Forward(pending, place->address);
}

void Router::RunHere(const PendingPtr& pending, const engine::Place& place) {
  pending->call.local(place, pending->repeated, [this, pending](const absl::Status& status) {
    OnLocalDone(pending, status);
  });
}

void Router::OnLocalDone(const PendingPtr& pending, const absl::Status& status) {
  const bool again = absl::IsUnavailable(status) || engine::IsNotOwner(status);
  if (!again || pending->caller.forwarded) return pending->done(status);
  if (engine::IsInDoubt(status)) return OnDoubt(pending, status);
  TryLater(pending, status);
}

void Router::Forward(const PendingPtr& pending, const std::string& address) {
  if (!pending->request.has_value()) pending->request = pending->call.request();
  peer::ForwardCall call;
  call.domain = pending->call.domain;
  call.method = pending->call.method;
  call.request = *pending->request;
  call.repeated = pending->repeated;
  call.timeout = std::max(pending->caller.deadline - clock_.Steady(), absl::Milliseconds(1));
  peers_.Forward(address, std::move(call), [this, pending](peer::ForwardAnswer answer) {
    OnAnswer(pending, std::move(answer));
  });
}

void Router::OnAnswer(const PendingPtr& pending, peer::ForwardAnswer answer) {
  using Kind = peer::ForwardAnswer::Kind;
  if (answer.kind == Kind::kNotOwner) return TryLater(pending, answer.status);
  if (answer.kind == Kind::kBroken) return OnDoubt(pending, answer.status);
  if (absl::IsUnavailable(answer.status)) return TryLater(pending, answer.status);
  if (answer.status.ok() && !pending->call.take(answer.response)) {
    return pending->done(absl::InternalError("the owner's answer could not be read"));
  }
  pending->done(answer.status);
}

void Router::OnDoubt(const PendingPtr& pending, const absl::Status& why) {
  pending->repeated = true;
  if (!pending->call.repeatable || pending->call.repeatable()) return TryLater(pending, why);
  GiveUp(pending, why);
}

// An earlier try may have been carried out: then the client must hear of it, unless it does not
// matter.
void Router::GiveUp(const PendingPtr& pending, const absl::Status& status) {
  const bool in_doubt = pending->repeated && pending->call.repeatable && !pending->caller.forwarded;
  if (!in_doubt) return pending->done(status);
  pending->done(MakeStatus(
      absl::StatusCode::kUnavailable,
      fmt::format("the scheduler in charge was lost before it answered ({}): look whether the "
                  "request took effect before you repeat it without an idempotency key",
                  Message(status))));
}

void Router::TryLater(const PendingPtr& pending, const absl::Status& why) {
  if (isolation_.cut_off()) return GiveUp(pending, CutOffError());
  if (clock_.Steady() + pending->pause >= pending->caller.deadline) {
    return GiveUp(
        pending,
        MakeStatus(absl::StatusCode::kUnavailable,
                   fmt::format("no scheduler could answer in time: {}; try again", Message(why))));
  }
  timers_.After(pending->pause, [this, pending] {
    if (work_.TryPost([this, pending] { Try(pending); })) return;
    pending->done(absl::ResourceExhaustedError("the scheduler is busy; try again"));
  });
  pending->pause = std::min(pending->pause * 2, options_.last_pause);
}

}  // namespace penstock::api
