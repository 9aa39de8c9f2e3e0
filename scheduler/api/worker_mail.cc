// The scheduler's side of the worker protocol: mail as messages.
#include <algorithm>
#include <utility>

#include "scheduler/api/worker_convert.h"

namespace penstock::api {
namespace {

constexpr size_t kUsualBytes = 1 << 20;
// Below the 16 MiB that workers accept.
constexpr size_t kMostBytes = 14 << 20;
constexpr int kMostMerged = 1000;  // items of one kind in a merged message

v1::Assignment ToAssignment(DomainId domain, Epoch epoch, engine::ReadyAssignment ready) {
  const core::RunInfo& run = *ready.assign.run;
  v1::Assignment out;
  out.set_domain(domain.value());
  out.set_epoch(epoch.value());
  *out.mutable_attempt() = api::ToProto(ready.assign.ref);
  out.set_version_id(run.version.value());
  out.set_try_number(ready.assign.try_number);
  out.set_run_key(run.key);
  out.set_logical_date_us(run.logical_date_us);
  out.set_params_json(run.params_json);
  for (engine::UpstreamOutput& output : ready.outputs) {
    v1::UpstreamOutput* upstream = out.add_outputs();
    upstream->set_task_index(static_cast<uint32_t>(output.key.task));
    upstream->set_map_index(output.key.map);
    upstream->set_output_json(std::move(output.output_json));
  }
  return out;
}

// Fills messages one after another, in the order of the fields.
class Packer {
 public:
  Packer(DomainId domain, Epoch epoch) : domain_(domain), epoch_(epoch) {}

  // The message for `bytes` more.
  v1::SchedulerMessage& Room(size_t bytes) {
    if (messages_.empty() || used_ + bytes > kUsualBytes) {
      messages_.emplace_back();
      used_ = 0;
    }
    used_ += bytes;
    return messages_.back();
  }
  template <typename Item>
  Item* Stamp(Item* item) const {
    item->set_domain(domain_.value());
    item->set_epoch(epoch_.value());
    return item;
  }
  std::vector<v1::SchedulerMessage> Take() { return std::move(messages_); }

 private:
  const DomainId domain_;
  const Epoch epoch_;
  size_t used_ = 0;
  std::vector<v1::SchedulerMessage> messages_;
};

constexpr size_t kSmallItem = 64;  // bytes, amply

void AddSmall(const engine::SessionMail& mail, DomainId domain, Packer* packer) {
  if (mail.session_lost) {
    packer->Stamp(packer->Room(kSmallItem).add_ended())
        ->set_reason(v1::DomainEnd::REASON_SESSION_LOST);
  }
  for (const core::AckResult& ack : mail.acks) {
    v1::ResultAck* out = packer->Room(kSmallItem).add_acks();
    out->set_domain(domain.value());
    *out->mutable_attempt() = ToProto(ack.ref);
  }
  for (const core::Revoke& revoke : mail.revokes) {
    v1::Revoke* out = packer->Stamp(packer->Room(kSmallItem).add_revokes());
    *out->mutable_attempt() = ToProto(revoke.ref);
    out->set_cause(static_cast<v1::Cause>(revoke.cause));
  }
}

void AddLast(const engine::SessionMail& mail, Packer* packer) {
  if (mail.credits_returned > 0) {
    packer->Stamp(packer->Room(kSmallItem).add_credit_returns())
        ->set_credits(mail.credits_returned);
  }
  if (mail.wish.has_value()) {
    packer->Stamp(packer->Room(kSmallItem).add_wishes())->set_wanted(*mail.wish);
  }
  if (mail.drain) packer->Room(kSmallItem).set_drain(true);
}

// What must stay behind everything sent before it.
bool IsBarrier(const v1::SchedulerMessage& message) {
  return message.has_welcome() || message.offers_size() > 0 || message.ended_size() > 0 ||
         message.has_renewed();
}

int Largest(const v1::SchedulerMessage& message) {
  return std::max({message.acks_size(), message.revokes_size(), message.assignments_size(),
                   message.credit_returns_size(), message.wishes_size()});
}

}  // namespace

std::vector<v1::SchedulerMessage> ToMessages(DomainId domain, Epoch epoch, engine::SessionMail mail,
                                             std::vector<core::AttemptRef>* refused) {
  Packer packer(domain, epoch);
  AddSmall(mail, domain, &packer);
  for (engine::ReadyAssignment& ready : mail.assignments) {
    const core::AttemptRef ref = ready.assign.ref;
    v1::Assignment assignment = ToAssignment(domain, epoch, std::move(ready));
    const size_t bytes = assignment.ByteSizeLong();
    if (bytes > kMostBytes) {
      refused->push_back(ref);
    } else {
      *packer.Room(bytes).add_assignments() = std::move(assignment);
    }
  }
  AddLast(mail, &packer);
  return packer.Take();
}

bool MergeMessages(v1::SchedulerMessage& last, v1::SchedulerMessage& next) {
  if (IsBarrier(last) || IsBarrier(next)) return false;
  // A revoke must not overtake the assignment that it ends.
  if (next.revokes_size() > 0 && last.assignments_size() > 0) return false;
  if (next.schedulers_size() > 0 && last.schedulers_size() > 0) return false;
  if (Largest(last) + Largest(next) > kMostMerged) return false;
  if (last.ByteSizeLong() + next.ByteSizeLong() > kUsualBytes) return false;
  last.MergeFrom(next);
  return true;
}

}  // namespace penstock::api
