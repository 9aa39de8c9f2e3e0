#include "scheduler/engine/session_hub.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "fmt/format.h"

namespace penstock::engine {
namespace {

SessionMail Unbound(SessionMail mail) {
  SessionMail unbound;
  unbound.acks = std::move(mail.acks);
  unbound.session_lost = mail.session_lost;
  unbound.drain = mail.drain;
  return unbound;
}

bool IsEmpty(const SessionMail& unbound) {
  return unbound.acks.empty() && !unbound.session_lost && !unbound.drain;
}

}  // namespace

absl::Status SessionHub::Attach(const core::SessionInfo& info,
                                std::shared_ptr<SessionStream> stream) {
  std::shared_ptr<SessionStream> replaced;
  MutexLock lock(&mu_);
  Session& session = sessions_[info.id];
  if (session.stream != nullptr && session.info.started_us != info.started_us) {
    return MakeStatus(absl::StatusCode::kAlreadyExists,
                      fmt::format("session {} belongs to another process (worker {})",
                                  info.id.value(), session.info.name));
  }
  // The same process came back before its old stream was noticed to be dead.
  for (const auto& [domain, binding] : session.bindings) {
    if (Owner* owner = BoundOwner(session, domain, binding.epoch)) {
      owner->inbox->Post(core::BindingClosed{info.id, binding.id});
    }
  }
  session.bindings.clear();
  session.offers.clear();
  session.info = info;
  replaced = std::exchange(session.stream, std::move(stream));
  if (!fleet_.empty()) session.stream->SetFleet(fleet_);
  for (const auto& [domain, owner] : owners_) Offer(session, domain, owner.epoch);
  return absl::OkStatus();
}

void SessionHub::Offer(Session& session, DomainId domain, Epoch epoch) {
  session.bindings.erase(domain);
  const int64_t number = next_offer_++;
  session.offers[domain] = number;
  session.stream->Offer(domain, epoch, number);
}

void SessionHub::Detach(SessionId session, const SessionStream* stream) {
  MutexLock lock(&mu_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end() || it->second.stream.get() != stream) return;
  for (const auto& [domain, binding] : it->second.bindings) {
    if (Owner* owner = BoundOwner(it->second, domain, binding.epoch)) {
      owner->inbox->Post(core::BindingClosed{session, binding.id});
    }
  }
  sessions_.erase(it);
}

SessionHub::Owner* SessionHub::BoundOwner(Session& session, DomainId domain, Epoch epoch) {
  const auto binding = session.bindings.find(domain);
  const auto owner = owners_.find(domain);
  if (binding == session.bindings.end() || owner == owners_.end()) return nullptr;
  if (binding->second.epoch != epoch || owner->second.epoch != epoch) return nullptr;
  return &owner->second;
}

void SessionHub::OnDomainHello(SessionId session, DomainHello hello) {
  MutexLock lock(&mu_);
  const auto it = sessions_.find(session);
  const auto owner = owners_.find(hello.domain);
  if (it == sessions_.end() || owner == owners_.end()) return;
  const auto offer = it->second.offers.find(hello.domain);
  if (offer == it->second.offers.end() || offer->second != hello.offer) return;
  if (owner->second.epoch != hello.epoch) return;
  const core::BindingId binding(next_binding_++);
  it->second.bindings[hello.domain] = {binding, hello.epoch, false};
  owner->second.inbox->Post(core::SessionHello{it->second.info, binding, std::move(hello.running),
                                               std::move(hello.unacknowledged), hello.credits,
                                               hello.draining, hello.shared});
}

void SessionHub::OnEvents(SessionId session, DomainId domain, Epoch epoch, int32_t credits,
                          std::vector<core::Event> events) {
  MutexLock lock(&mu_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  Owner* owner = BoundOwner(it->second, domain, epoch);
  if (owner == nullptr) return;
  if (credits > 0) {
    const core::BindingId binding = it->second.bindings.at(domain).id;
    events.insert(events.begin(), core::CreditsGranted{session, binding, credits});
  }
  if (!events.empty()) owner->inbox->Post(std::move(events));
}

std::vector<DomainId> SessionHub::OnRenew(SessionId session) {
  MutexLock lock(&mu_);
  std::vector<DomainId> confirmed;
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return confirmed;
  const SteadyTime now = clock_.Steady();
  for (const auto& [domain, binding] : it->second.bindings) {
    Owner* owner = BoundOwner(it->second, domain, binding.epoch);
    if (owner == nullptr || !binding.durable || !owner->inbox->LeaseHolds(now)) continue;
    owner->inbox->Post(core::SessionConfirmed{session, now});
    confirmed.push_back(domain);
  }
  return confirmed;
}

void SessionHub::OnSessionDead(SessionId session) {
  constexpr size_t kRemembered = 1000;
  MutexLock lock(&mu_);
  if (std::find(dead_.begin(), dead_.end(), session) == dead_.end()) dead_.push_back(session);
  if (dead_.size() > kRemembered) dead_.pop_front();
  for (const auto& [domain, owner] : owners_) owner.inbox->Post(core::SessionDead{session});
}

void SessionHub::TellOfTheDead(DomainInbox* inbox) {
  std::vector<core::Event> deaths;
  for (const SessionId id : dead_) deaths.emplace_back(core::SessionDead{id});
  if (!deaths.empty()) inbox->Post(std::move(deaths));
}

void SessionHub::Register(DomainId domain, Epoch epoch, DomainInbox* inbox) {
  MutexLock lock(&mu_);
  owners_[domain] = {epoch, inbox};
  TellOfTheDead(inbox);
  for (auto& [id, session] : sessions_) Offer(session, domain, epoch);
}

void SessionHub::Resync(DomainId domain) {
  MutexLock lock(&mu_);
  const auto owner = owners_.find(domain);
  if (owner == owners_.end()) return;
  TellOfTheDead(owner->second.inbox);
  for (auto& [id, session] : sessions_) Offer(session, domain, owner->second.epoch);
}

void SessionHub::Unregister(DomainId domain) {
  MutexLock lock(&mu_);
  const auto owner = owners_.find(domain);
  if (owner == owners_.end()) return;
  const Epoch epoch = owner->second.epoch;
  owners_.erase(owner);
  for (auto& [id, session] : sessions_) {
    session.bindings.erase(domain);
    session.offers.erase(domain);
    session.stream->Withdraw(domain, epoch);
  }
}

void SessionHub::Bound(DomainId domain, SessionId session, core::BindingId binding) {
  MutexLock lock(&mu_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  const auto bound = it->second.bindings.find(domain);
  if (bound != it->second.bindings.end() && bound->second.id == binding) {
    bound->second.durable = true;
  }
}

void SessionHub::Deliver(DomainId domain, SessionId session, core::BindingId binding,
                         SessionMail mail) {
  MutexLock lock(&mu_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  const auto bound = it->second.bindings.find(domain);
  if (bound != it->second.bindings.end() && bound->second.id == binding) {
    return it->second.stream->Deliver(domain, bound->second.epoch, std::move(mail));
  }
  const auto owner = owners_.find(domain);
  SessionMail unbound = Unbound(std::move(mail));
  if (owner == owners_.end() || IsEmpty(unbound)) return;
  it->second.stream->Deliver(domain, owner->second.epoch, std::move(unbound));
}

void SessionHub::SetFleet(std::vector<std::string> addresses) {
  MutexLock lock(&mu_);
  if (addresses == fleet_) return;
  fleet_ = std::move(addresses);
  for (auto& [id, session] : sessions_) session.stream->SetFleet(fleet_);
}

size_t SessionHub::stream_count() const {
  MutexLock lock(&mu_);
  return sessions_.size();
}

}  // namespace penstock::engine
