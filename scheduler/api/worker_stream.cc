#include "scheduler/api/worker_stream.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/obs/log.h"
#include "scheduler/api/worker_convert.h"

namespace penstock::api {

// ---- To the worker ----

void WorkerMailbox::Send(v1::SchedulerMessage message) {
  if (stream_->Send(std::move(message))) return;
  stream_->Cancel(absl::ResourceExhaustedError("the worker does not take its messages"));
}

void WorkerMailbox::Offer(DomainId domain, Epoch epoch, int64_t number) {
  v1::SchedulerMessage message;
  v1::DomainOffer* offer = message.add_offers();
  offer->set_domain(domain.value());
  offer->set_epoch(epoch.value());
  offer->set_number(number);
  Send(std::move(message));
}

void WorkerMailbox::Withdraw(DomainId domain, Epoch epoch) {
  v1::SchedulerMessage message;
  v1::DomainEnd* end = message.add_ended();
  end->set_domain(domain.value());
  end->set_epoch(epoch.value());
  end->set_reason(v1::DomainEnd::REASON_NOT_OWNER);
  Send(std::move(message));
}

void WorkerMailbox::Deliver(DomainId domain, Epoch epoch, engine::SessionMail mail) {
  std::vector<core::AttemptRef> refused;
  for (v1::SchedulerMessage& message : ToMessages(domain, epoch, std::move(mail), &refused)) {
    Send(std::move(message));
  }
  if (!refused.empty()) refuse_(domain, epoch, std::move(refused));
}

void WorkerMailbox::SetFleet(const std::vector<std::string>& addresses) {
  v1::SchedulerMessage message;
  for (const std::string& address : addresses) message.add_schedulers(address);
  Send(std::move(message));
}

// ---- From the worker ----

WorkerStream::WorkerStream(const Links& links, std::shared_ptr<Stream> stream)
    : links_(links), stream_(std::move(stream)) {}

rpc::StreamOptions<v1::SchedulerMessage> WorkerStream::StreamSettings() {
  rpc::StreamOptions<v1::SchedulerMessage> options;
  options.limits.max_messages = 4096;
  options.limits.max_bytes = 64 << 20;
  options.merge = MergeMessages;
  return options;
}

bool WorkerStream::OnMessage(v1::WorkerMessage message) {
  const absl::Status status = Take(message);
  if (status.ok()) return true;
  obs::Warning("worker stream refused",
               {{"session", session_.load()}, {"reason", Message(status)}});
  stream_->Close(status);
  return false;
}

absl::Status WorkerStream::Take(const v1::WorkerMessage& message) {
  if (session_ == 0 && !message.has_hello()) {
    return absl::FailedPreconditionError("the first message must be a hello");
  }
  if (message.has_hello()) PENSTOCK_RETURN_IF_ERROR(TakeHello(message.hello()));
  PENSTOCK_RETURN_IF_ERROR(TakeDomainHellos(message));
  PENSTOCK_RETURN_IF_ERROR(TakeEvents(message));
  if (message.has_renew()) TakeRenewal(message.renew());
  if (message.draining()) TakeDraining();
  return absl::OkStatus();
}

absl::Status WorkerStream::TakeHello(const v1::WorkerHello& hello) {
  if (session_ != 0) return absl::FailedPreconditionError("a stream says hello once");
  PENSTOCK_ASSIGN_OR_RETURN(const core::SessionInfo info, FromProto(hello));
  PENSTOCK_RETURN_IF_ERROR(CheckIncarnation(hello));
  mailbox_ = std::make_shared<WorkerMailbox>(
      stream_, [weak = weak_from_this()](DomainId domain, Epoch epoch,
                                         std::vector<core::AttemptRef> refused) {
        const auto self = weak.lock();
        if (self != nullptr) self->RefuseAssignments(domain, epoch, std::move(refused));
      });
  v1::SchedulerMessage message;
  v1::Welcome* welcome = message.mutable_welcome();
  welcome->set_scheduler_id(links_.engine.self().value());
  welcome->set_incarnation(links_.engine.View().incarnation.value());
  welcome->set_session_term_ms(absl::ToInt64Milliseconds(links_.session_term));
  mailbox_->Send(std::move(message));
  absl::Status attached = links_.hub.Attach(info, mailbox_);
  if (attached.ok()) {
    session_ = info.id.value();
    for (const int64_t dead : hello.dead_sessions()) {
      if (dead != session_) links_.hub.OnSessionDead(SessionId(dead));
    }
  }
  if (!absl::IsAlreadyExists(attached)) return attached;
  v1::SchedulerMessage duplicate;
  duplicate.add_ended()->set_reason(v1::DomainEnd::REASON_DUPLICATE_SESSION);
  mailbox_->Send(std::move(duplicate));
  return attached;
}

absl::Status WorkerStream::CheckIncarnation(const v1::WorkerHello& hello) {
  const int64_t ours = links_.engine.View().incarnation.value();
  if (hello.incarnation() == 0 || hello.incarnation() == ours) return absl::OkStatus();
  if (ours == 0 || hello.incarnation() > ours) {
    return absl::UnavailableError("this scheduler has not seen the database's new life yet");
  }
  EndSession();
  return absl::FailedPreconditionError(
      "the database has begun a new life: start a new session and run nothing of the old one");
}

void WorkerStream::EndSession() {
  v1::SchedulerMessage message;
  for (const store::DomainRow& domain : links_.engine.View().domains) {
    v1::DomainEnd* end = message.add_ended();
    end->set_domain(domain.id.value());
    end->set_epoch(domain.epoch.value());
    end->set_reason(v1::DomainEnd::REASON_SESSION_LOST);
  }
  stream_->Send(std::move(message));
}

absl::Status WorkerStream::TakeDomainHellos(const v1::WorkerMessage& message) {
  for (const v1::DomainHello& proto : message.domain_hellos()) {
    PENSTOCK_ASSIGN_OR_RETURN(engine::DomainHello hello, FromProto(proto));
    bound_[hello.domain] = hello.epoch;
    links_.hub.OnDomainHello(SessionId(session_), std::move(hello));
  }
  return absl::OkStatus();
}

absl::Status WorkerStream::TakeEvents(const v1::WorkerMessage& message) {
  const SessionId session(session_);
  PENSTOCK_ASSIGN_OR_RETURN(auto groups, ToEvents(session, message));
  for (DomainEvents& group : groups) {
    links_.hub.OnEvents(session, group.domain, group.epoch, group.credits, std::move(group.events));
  }
  return absl::OkStatus();
}

void WorkerStream::TakeRenewal(const v1::RenewRequest& renewal) {
  v1::SchedulerMessage message;
  message.mutable_renewed()->set_sequence(renewal.sequence());
  for (DomainId domain : links_.hub.OnRenew(SessionId(session_))) {
    message.mutable_renewed()->add_domains(domain.value());
  }
  mailbox_->Send(std::move(message));
}

void WorkerStream::TakeDraining() {
  const SessionId session(session_);
  for (const auto& [domain, epoch] : bound_) {
    links_.hub.OnEvents(session, domain, epoch, 0, {core::SessionDraining{session}});
  }
}

void WorkerStream::RefuseAssignments(DomainId domain, Epoch epoch,
                                     std::vector<core::AttemptRef> refused) {
  // Never here: the hub is calling.
  const bool posted =
      links_.work.TryPost([self = shared_from_this(), domain, epoch, refused = std::move(refused)] {
        const SessionId session(self->session_);
        std::vector<core::Event> events;
        for (const core::AttemptRef& ref : refused) {
          core::AttemptResult result;
          result.ref = ref;
          result.outcome = core::Outcome::kFailedNoRetry;
          result.cause = core::Cause::kExpression;
          result.error =
              "the parameters and the upstream outputs that its expressions name are too "
              "large together to be sent to a worker";
          events.emplace_back(core::AttemptEnded{session, std::move(result)});
        }
        // The worker has not spent the credits.
        self->links_.hub.OnEvents(session, domain, epoch, static_cast<int32_t>(refused.size()),
                                  std::move(events));
      });
  if (!posted)
    stream_->Cancel(absl::ResourceExhaustedError("the scheduler is busy; say hello again"));
}

void WorkerStream::OnClosed(const absl::Status&) {
  if (session_ != 0) links_.hub.Detach(SessionId(session_), mailbox_.get());
}

}  // namespace penstock::api
