// What schedulers say: whatever the bytes, a worker stays within its slots, and what it answers is
// understood by schedulers as long as they named attempts that can exist.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "penstock/v1/worker.pb.h"
#include "scheduler/api/worker_convert.h"
#include "tests/fuzz/parse_message.h"
#include "worker/core/worker_core.h"
#include "worker/session/convert.h"

namespace penstock::worker {
namespace {

constexpr StreamId kStream(1);
constexpr int kSlots = 3;
constexpr size_t kMessageBytes = 4 << 10;

// Drives a worker's core as the agent does (worker/session/agent_inbox.cc), but at once: what is
// launched starts, every other attempt ends, what is killed is dead.
class Driver {
 public:
  Driver() : core_(Options()) {
    core_.Welcomed({kStream, SessionId(1), Incarnation(1), absl::Seconds(15)}, now_, &effects_);
  }

  void Read(const v1::SchedulerMessage& message) {
    for (const v1::DomainOffer& offer : message.offers()) {
      core_.Offered(kStream, DomainId(offer.domain()), Epoch(offer.epoch()), offer.number());
    }
    Turn();
    for (const v1::DomainEnd& end : message.ended()) {
      const auto reason = FromProto(end.reason());
      if (!reason.ok()) continue;
      core_.Ended(kStream, DomainId(end.domain()), Epoch(end.epoch()), *reason, &effects_);
    }
    for (const v1::ResultAck& ack : message.acks()) {
      core_.Acknowledged(kStream, DomainId(ack.domain()), Key(ack.attempt()));
    }
    for (const v1::Revoke& revoke : message.revokes()) {
      const auto cause = RevokeCause(revoke.cause());
      core_.Revoked(kStream, DomainId(revoke.domain()), Epoch(revoke.epoch()),
                    Key(revoke.attempt()), cause.value_or(Cause::kCancelled), &effects_);
    }
    for (const v1::Assignment& wire : message.assignments()) Assign(wire);
    ReadRest(message);
    Turn();
  }

 private:
  static WorkerCore::Options Options() {
    WorkerCore::Options options;
    options.first_session = SessionId(1);
    options.slots = kSlots;
    options.max_prefetch = 4;
    options.capacity.cpu_millis = 2000;
    return options;
  }

  // Keys are echoed; a scheduler takes back only those that it can have sent.
  AttemptKey Key(const v1::AttemptKey& key) {
    sane_ = sane_ && api::FromProto(key).ok();
    return FromProto(key);
  }

  void Assign(const v1::Assignment& wire) {
    Assigned assigned;
    assigned.domain = DomainId(wire.domain());
    assigned.epoch = Epoch(wire.epoch());
    assigned.key = Key(wire.attempt());
    assigned.instant = wire.version_id() == 1;
    if (wire.version_id() == 2) assigned.demand = std::make_shared<const Demand>();
    const bool taken = core_.Assign(kStream, assigned, now_, &effects_);
    if (!taken || assigned.instant || assigned.demand != nullptr) return;
    if (wire.version_id() == 3) {
      core_.Decline(assigned.key, &effects_);
    } else {
      core_.Prepared(assigned.key, std::make_shared<const Demand>(), now_);
    }
  }

  void ReadRest(const v1::SchedulerMessage& message) {
    for (const v1::CreditReturn& back : message.credit_returns()) {
      core_.CreditsReturned(kStream, DomainId(back.domain()), Epoch(back.epoch()), back.credits());
    }
    for (const v1::CreditWish& wish : message.wishes()) {
      core_.Wished(kStream, DomainId(wish.domain()), Epoch(wish.epoch()), wish.wanted());
    }
    if (message.has_renewed()) {
      core_.Renew(now_, &effects_);
      std::vector<DomainId> domains;
      for (const int32_t domain : message.renewed().domains()) domains.emplace_back(domain);
      core_.Renewed(kStream, message.renewed().sequence(), domains, now_, &effects_);
    }
    if (message.drain()) core_.Drain(absl::Seconds(1), now_, &effects_);
  }

  void Turn() {
    now_.steady = now_.steady + absl::Milliseconds(400);
    for (int round = 0; round < 10; ++round) {
      core_.Settle(now_, &effects_);
      PENSTOCK_CHECK(core_.Look().running <= kSlots, "no more than the slots");
      PENSTOCK_CHECK(core_.Look().credits >= 0, "credits are not negative");
      if (effects_.empty()) return;
      Carry(std::exchange(effects_, Effects()));
    }
  }

  void Carry(Effects effects) {
    for (const Launch& launch : effects.launches) {
      core_.Started(launch.key, 1, &effects_);
      if (++launched_ % 2 == 0) core_.Finished(launch.key, Report(), now_, &effects_);
    }
    for (const KillOrder& kill : effects.kills) {
      core_.Finished(kill.key, Report(), now_, &effects_);
    }
    for (Outgoing& out : effects.out) Say(std::move(out));
  }

  void Say(Outgoing out) {
    for (const v1::WorkerMessage& message : ToProto(std::move(out), kMessageBytes)) {
      if (!sane_) continue;
      PENSTOCK_CHECK(api::ToEvents(SessionId(1), message).ok(), "schedulers take the events");
      for (const v1::DomainHello& hello : message.domain_hellos()) {
        PENSTOCK_CHECK(api::FromProto(hello).ok(), "schedulers take the hellos");
      }
    }
  }

  Now now_{SteadyTime::FromMicros(1'000'000'000), absl::UnixEpoch()};
  Effects effects_;
  WorkerCore core_;
  bool sane_ = true;
  int launched_ = 0;
};

}  // namespace
}  // namespace penstock::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::v1::SchedulerMessage message;
  if (!penstock::fuzz::ParseMessage(data, size, &message)) return 0;
  penstock::worker::Driver driver;
  driver.Read(message);
  driver.Read(message);
  return 0;
}
