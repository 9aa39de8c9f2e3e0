// What schedulers say on control streams.
#include <algorithm>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "worker/session/agent.h"

namespace penstock::worker {

void Agent::OnMessage(StreamId id, v1::SchedulerMessage message) {
  metrics_.CountMessage();
  {
    MutexLock lock(&mu_);
    Link* link = FindLink(id);
    if (link == nullptr || link->unwanted) return;
    const Now now = clock_.Read();
    Read(*link, message, now);
    TurnAndWake(now);
  }
  Act();
}

// In the order of the field numbers.
void Agent::Read(Link& link, v1::SchedulerMessage& message, const Now& now) {
  if (message.has_welcome()) ReadWelcome(link, message.welcome(), now);
  if (link.state != LinkState::kWelcomed && message.ended_size() > 0) {
    // Refused: the database has begun a new life since this session began.
    core_.Welcomed({link.id, link.session, Incarnation(), term_}, now, &effects_);
  } else if (link.state != LinkState::kWelcomed) {
    obs::Warning("a scheduler did not begin with a welcome", {{"scheduler", link.address}});
    to_cancel_.push_back(link.stream);
    return;
  }
  const StreamId id = link.id;
  for (const v1::DomainOffer& offer : message.offers()) {
    core_.Offered(id, DomainId(offer.domain()), Epoch(offer.epoch()), offer.number());
  }
  for (const v1::DomainEnd& end : message.ended()) {
    const auto reason = FromProto(end.reason());
    if (!reason.ok()) continue;
    core_.Ended(id, DomainId(end.domain()), Epoch(end.epoch()), *reason, &effects_);
  }
  for (const v1::ResultAck& ack : message.acks()) {
    core_.Acknowledged(id, DomainId(ack.domain()), FromProto(ack.attempt()));
  }
  for (const v1::Revoke& revoke : message.revokes()) {
    const auto cause = RevokeCause(revoke.cause());
    core_.Revoked(id, DomainId(revoke.domain()), Epoch(revoke.epoch()), FromProto(revoke.attempt()),
                  cause.value_or(Cause::kCancelled), &effects_);
  }
  for (v1::Assignment& assignment : *message.mutable_assignments()) {
    ReadAssignment(id, assignment, now);
  }
  ReadRest(id, message, now);
}

void Agent::ReadWelcome(Link& link, const v1::Welcome& welcome, const Now& now) {
  const absl::Duration term =
      std::clamp(absl::Milliseconds(welcome.session_term_ms()), absl::Seconds(1), absl::Hours(1));
  obs::Info("welcomed", {{"scheduler", link.address}, {"session", link.session}});
  link.state = LinkState::kWelcomed;
  link.backoff.Reset();
  link.due = SteadyTime::Infinite();
  connected_at_ = now.steady;
  term_ = term;
  // Soon: what runs already depends on it.
  renew_at_ = std::min(renew_at_, now.steady + absl::Milliseconds(200));
  core_.Welcomed({link.id, link.session, Incarnation(welcome.incarnation()), term}, now, &effects_);
  UpdateBook();
  timer_.Wake();
}

void Agent::ReadAssignment(StreamId id, v1::Assignment& wire, const Now& now) {
  const VersionId version_id(wire.version_id());
  const std::shared_ptr<const LoadedVersion> loaded = library_.Find(version_id);
  Assigned assigned;
  assigned.domain = DomainId(wire.domain());
  assigned.epoch = Epoch(wire.epoch());
  assigned.key = FromProto(wire.attempt());
  const dag::TaskSpec* task =
      loaded == nullptr ? nullptr : loaded->version->task(assigned.key.task);
  if (task != nullptr && task->kind == dag::TaskKind::kNoop) {
    assigned.instant = true;
    if (core_.Assign(id, assigned, now, &effects_)) metrics_.CountInstant();
    return;
  }
  if (task != nullptr) assigned.demand = loaded->version->demand(assigned.key.task);
  if (!core_.Assign(id, assigned, now, &effects_)) return;
  Payload payload;
  payload.version = version_id;
  payload.loaded = loaded;
  payload.facts.run_key = std::move(*wire.mutable_run_key());
  payload.facts.logical_date_us = wire.logical_date_us();
  payload.facts.params_json = std::move(*wire.mutable_params_json());
  payload.facts.try_number = wire.try_number();
  for (v1::UpstreamOutput& output : *wire.mutable_outputs()) {
    payload.facts.outputs.emplace_back(output.task_index(),
                                       std::move(*output.mutable_output_json()));
  }
  payloads_[assigned.key] = std::move(payload);
  if (task != nullptr) return;
  if (loaded != nullptr) return Prepare(assigned.key, *loaded, now);
  std::vector<AttemptKey>& waiting = loading_[version_id];
  waiting.push_back(assigned.key);
  if (waiting.size() == 1) loads_.push_back(version_id);
}

void Agent::ReadRest(StreamId id, const v1::SchedulerMessage& message, const Now& now) {
  for (const v1::CreditReturn& back : message.credit_returns()) {
    core_.CreditsReturned(id, DomainId(back.domain()), Epoch(back.epoch()), back.credits());
  }
  for (const v1::CreditWish& wish : message.wishes()) {
    core_.Wished(id, DomainId(wish.domain()), Epoch(wish.epoch()), wish.wanted());
  }
  if (message.has_renewed()) {
    std::vector<DomainId> domains;
    for (const int32_t domain : message.renewed().domains()) domains.emplace_back(domain);
    core_.Renewed(id, message.renewed().sequence(), domains, now, &effects_);
  }
  if (message.schedulers_size() > 0) SetFleet(message);
  if (message.drain() && !core_.draining()) {
    obs::Info("asked to drain");
    core_.Drain(absl::InfiniteDuration(), now, &effects_);
  }
}

}  // namespace penstock::worker
