#include "scheduler/core/owner_protocol.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "fmt/format.h"

namespace penstock::core {
namespace {

bool CertainlyNotCommitted(FlushVerdict verdict) {
  return verdict != FlushVerdict::kCommitted && verdict != FlushVerdict::kUnknown;
}

}  // namespace

OwnerProtocol::OwnerProtocol(Options options, uint64_t seed)
    : options_(std::move(options)), backoff_(absl::Milliseconds(100), absl::Seconds(1), seed) {}

void OwnerProtocol::Observe(Epoch epoch, SchedulerId owner, SchedulerId self, Now now) {
  constexpr size_t kRemembered = 16;
  epochs_seen_.try_emplace(epoch, now.steady);
  while (epochs_seen_.size() > kRemembered) epochs_seen_.erase(epochs_seen_.begin());
  seen_epoch_ = std::max(seen_epoch_, epoch);
  const bool taken = epoch > epoch_ || (epoch == epoch_ && owner != self);
  if ((domain_ != nullptr || reload_due_) && busy_ != Busy::kReleasing && taken) {
    BecomeFollower("another scheduler has taken the domain over");
  }
  // Ours in the database only: a takeover whose answer was lost, or a release that failed. Nobody
  // else takes it while this process beats.
  const bool idle = domain_ == nullptr && !reload_due_ && busy_ == Busy::kNo && !lost_;
  if (idle && owner == self && epoch > released_) wanted_ = true;
}

// The worker already has the confirmation and goes on by it: it must count at once, whatever state
// we are in, and not wait in line behind a full batch while sessions are judged.
void OwnerProtocol::KeepTrust(const SessionConfirmed& confirmed) {
  if (domain_ != nullptr) {
    domain_->Confirm(confirmed);
    return;
  }
  SteadyTime& until = trust_[confirmed.session];
  until = std::max(until, confirmed.at + options_.core.terms.silence());
}

bool OwnerProtocol::Offer(Event event) {
  if (const auto* confirmed = std::get_if<SessionConfirmed>(&event)) {
    const bool counts = owner() || (reloading() && !waits_);
    if (counts) KeepTrust(*confirmed);
    return counts;
  }
  // While the memory is built anew commands wait; workers say the rest again in their hello.
  const bool takes = owner() || (reloading() && std::holds_alternative<Command>(event));
  if (!takes || queue_.size() >= options_.max_queue) return false;
  queue_.push_back(std::move(event));
  return true;
}

// ---- Gathering ----

bool OwnerProtocol::ApplyOne(Now now) {
  if (careful_) {
    // One input per flush, so that a refusal names the guilty one.
    if (domain_->HasEffects()) return false;
    ArrangeNext(now);
  }
  if (!refused_.empty()) RefuseSuspects(now);
  if (careful_) {
    if (!queue_.empty() && !MayComeNext(queue_.front())) return false;
    if (!queue_.empty() && SuspicionOf(queue_.front()) != noted_) return false;
    if (!domain_->AllBegun()) loaded_at_ = now.steady;
  }
  if (queue_.empty() || domain_->BatchFull()) return false;
  Event event = std::move(queue_.front());
  queue_.pop_front();
  if (const auto* command = std::get_if<Command>(&event)) applied_.push_back(*command);
  domain_->Apply(std::move(event), now);
  return true;
}

bool OwnerProtocol::MayWork() const {
  const bool waits = busy_ == Busy::kLoading || busy_ == Busy::kReleasing || WaitsCarefully();
  return owner() && !reload_due_ && !waits;
}

void OwnerProtocol::Pump(Now now) {
  if (!MayWork()) return;
  while (!careful_ && ApplyOne(now)) {
  }
  do {
    while (domain_->Work(now)) {
    }
  } while (careful_ && ApplyOne(now));
}

std::optional<OwnerProtocol::Request> OwnerProtocol::NextFlush(Now now) {
  for (Pump(now); domain_->HasEffects(); Pump(now)) {
    Effects effects = domain_->TakeEffects();
    ++taken_;
    if (effects.batch.empty()) {
      // Nothing durable to wait for; in careful mode the next input may have been kept back by it.
      covered_ = taken_;
      applied_.clear();
      deliveries_.push_back(std::move(effects));
      continue;
    }
    progress_ = effects.batch.made_progress;
    if (now.steady < loaded_at_ + options_.settled()) effects.batch.made_progress = false;
    in_flight_ = std::move(effects);
    in_flight_commands_ = std::exchange(applied_, {});
    busy_ = Busy::kFlushing;
    return Flush{epoch_, FlushSeq(seq_.value() + 1), &in_flight_->batch};
  }
  return std::nullopt;
}

std::optional<OwnerProtocol::Request> OwnerProtocol::Next(Now now) {
  if (busy_ != Busy::kNo) return std::nullopt;
  if (lost_) BecomeFollower("the domain was lost");
  if (domain_ == nullptr && !reload_due_) {
    if (!wanted_ || now.steady < not_before_) return std::nullopt;
    wanted_ = false;
    busy_ = Busy::kLoading;
    return TakeOver{seen_epoch_, seq_};
  }
  if (reload_due_) {
    if (now.steady < not_before_) return std::nullopt;
    busy_ = Busy::kLoading;
    return Reload{epoch_, in_doubt_, seq_, waits_, rejected_};
  }
  if (auto flush = NextFlush(now)) return flush;
  if (auto note = NextNote()) return note;
  if (release_wanted_ && queue_.empty()) {
    busy_ = Busy::kReleasing;
    return Release{epoch_};
  }
  wanted_ids_ = domain_->WantedIds();
  if (wanted_ids_ > 0 && now.steady >= not_before_) {
    busy_ = Busy::kIds;
    return TakeIds{epoch_, wanted_ids_};
  }
  return std::nullopt;
}

// ---- Answers ----

void OwnerProtocol::OnFlushed(const FlushResult& result, Now now) {
  PENSTOCK_CHECK(busy_ == Busy::kFlushing, "the answer of the outstanding flush");
  busy_ = Busy::kNo;
  if (lost_) {
    if (CertainlyNotCommitted(result.verdict)) RequeueApplied();
    return;
  }
  switch (result.verdict) {
    case FlushVerdict::kCommitted:
      seq_ = FlushSeq(seq_.value() + 1);
      covered_ = taken_;
      quarantine_.clear();  // by now the runs' rows say so, and users may take them out
      if (progress_) {
        if (careful_ && CaredEnough(now)) {
          careful_ = false;
          domain_->EndCare(now);
        }
        trouble_.clear();
        backoff_.Reset();
      }
      in_flight_commands_.clear();
      deliveries_.push_back(*std::exchange(in_flight_, std::nullopt));
      return;
    case FlushVerdict::kFenced:
      RequeueApplied();
      BecomeFollower("a flush met another owner's fence");
      return;
    case FlushVerdict::kRejected:
      rejected_ = true;
      Poisoned(result, now);
      [[fallthrough]];
    case FlushVerdict::kFailed:
      RequeueApplied();
      StartReload(FlushSeq(), Message(result.status), now);
      return;
    case FlushVerdict::kUnknown:
      StartReload(FlushSeq(seq_.value() + 1), Message(result.status), now);
      return;
  }
}

// A flush that was refused while inputs go one by one names the guilty one.
void OwnerProtocol::Poisoned(const FlushResult& result, Now) {
  if (!careful_) return;
  const std::string why(Message(result.status));
  if (!in_flight_commands_.empty()) {
    for (const Command& command : in_flight_commands_) {
      Refuse(command, fmt::format("it cannot be stored: {}", why));
    }
    in_flight_commands_.clear();
  } else if (result.culprit) {
    quarantine_[result.culprit] = why;
  }
}

void OwnerProtocol::Refuse(const Command& command, std::string_view why) {
  if (!command.id) return;
  Reply reply;
  reply.command = command.id;
  reply.status =
      MakeStatus(absl::StatusCode::kInternal, fmt::format("the command was set aside: {}", why));
  Effects refusal;
  refusal.replies.push_back(std::move(reply));
  deliveries_.push_back(std::move(refusal));
}

// Commands that were applied but are not durable go back to the head of the queue, in order.
void OwnerProtocol::RequeueApplied() {
  for (auto* list : {&applied_, &in_flight_commands_}) {
    queue_.insert(queue_.begin(), std::move_iterator(list->begin()),
                  std::move_iterator(list->end()));
    list->clear();
  }
  in_flight_.reset();
}

void OwnerProtocol::StartReload(FlushSeq in_doubt, std::string_view why, Now now) {
  if (domain_ != nullptr) trust_ = domain_->Trust();
  domain_.reset();
  trouble_ = std::string(why);
  in_doubt_ = in_doubt;
  reload_due_ = true;
  not_before_ = now.steady + (careful_ ? backoff_.Next() : absl::ZeroDuration());
}

void OwnerProtocol::Recheck(Now now) {
  if (!owner() || reload_due_ || busy_ != Busy::kNo) return;
  RequeueApplied();
  StartReload(FlushSeq(), "the database is on another timeline", now);
}

// Whoever holds a lease of the lost part may have been confirmed by another owner until just now,
// and may be unknown to the database: only time ends such a lease for certain.
void OwnerProtocol::WaitForLeases(const DomainFacts& facts, Now now) {
  epoch_ = facts.epoch;
  seen_epoch_ = std::max(seen_epoch_, epoch_);
  epochs_seen_.try_emplace(epoch_, now.steady);
  seq_ = facts.flush_seq;
  trust_.clear();
  trouble_ = "the database has lost commits: waiting for the leases that it may not know of";
  reload_due_ = true;
  waits_ = true;
  not_before_ = now.steady + options_.core.terms.takeover_wait();
}

void OwnerProtocol::OnLoaded(absl::StatusOr<LoadResult> result, const VersionMap& versions,
                             Now now) {
  PENSTOCK_CHECK(busy_ == Busy::kLoading, "the answer of the outstanding load");
  busy_ = Busy::kNo;
  if (lost_) return;
  if (!result.ok()) {
    trouble_ = std::string(Message(result.status()));
    not_before_ = now.steady + backoff_.Next();
    if (absl::IsAborted(result.status())) BecomeFollower("another scheduler owns the domain");
    return;
  }
  const bool reload = reload_due_;
  if (reload && result->in_doubt_committed.value_or(false)) {
    // It had been committed: the answers stand. What was to be sent is asked for again by hello.
    Effects answers;
    answers.replies = std::move(in_flight_->replies);
    deliveries_.push_back(std::move(answers));
    in_flight_commands_.clear();
  }
  if (reload) RequeueApplied();
  in_doubt_ = FlushSeq();
  if (result->facts.waits) {
    WaitForLeases(result->facts, now);
    return;
  }
  reload_due_ = false;
  waits_ = false;
  lost_ = false;
  release_wanted_ = false;
  epoch_ = result->facts.epoch;
  seen_epoch_ = std::max(seen_epoch_, epoch_);
  epochs_seen_.try_emplace(epoch_, now.steady);
  seq_ = result->facts.flush_seq;
  loaded_at_ = now.steady;
  rejected_ = false;
  careful_ = result->facts.loads_without_progress >= options_.careful_after;
  long_care_ = result->facts.loads_without_progress >= options_.long_care_after;
  noted_ = ParseSuspicion(result->facts.suspect);
  if (!reload && careful_) Accuse(now);
  DomainOptions core = options_.core;
  core.epochs_seen = epochs_seen_;
  core.trust = reload ? trust_ : absl::flat_hash_map<SessionId, SteadyTime>();
  core.quarantine = quarantine_;
  core.careful = careful_;
  domain_ = std::make_unique<Domain>(std::move(core), std::move(result->facts), versions, now);
  ++generation_;
  covered_ = taken_;
}

void OwnerProtocol::OnIds(const absl::StatusOr<std::pair<RunId, int64_t>>& ids, Now now) {
  PENSTOCK_CHECK(busy_ == Busy::kIds, "the answer of the outstanding request for ids");
  busy_ = Busy::kNo;
  if (lost_ || domain_ == nullptr) return;
  if (ids.ok()) {
    queue_.emplace_front(IdsGranted{ids->first, ids->second});
  } else if (absl::IsAborted(ids.status())) {
    BecomeFollower("another scheduler owns the domain");
  } else {
    not_before_ = now.steady + backoff_.Next();
  }
}

void OwnerProtocol::OnReleased(const absl::Status& status, Now) {
  PENSTOCK_CHECK(busy_ == Busy::kReleasing, "the answer of the outstanding release");
  busy_ = Busy::kNo;
  if (status.ok()) released_ = epoch_;
  BecomeFollower("the domain was handed over");
}

void OwnerProtocol::AnswerUndecided(std::vector<Command>& commands, std::string_view why,
                                    bool in_doubt) {
  Effects answers;
  for (const Command& command : commands) {
    if (!command.id) continue;
    Reply reply;
    reply.command = command.id;
    reply.status = MakeStatus(absl::StatusCode::kUnavailable, why);
    reply.in_doubt = in_doubt;
    answers.replies.push_back(std::move(reply));
  }
  commands.clear();
  if (!answers.replies.empty()) deliveries_.push_back(std::move(answers));
}

void OwnerProtocol::BecomeFollower(std::string_view why) {
  if (busy_ == Busy::kFlushing || busy_ == Busy::kIds || busy_ == Busy::kLoading ||
      busy_ == Busy::kNoting) {
    lost_ = true;  // the outstanding request still points into our memory
    return;
  }
  for (Event& event : queue_) {
    if (auto* command = std::get_if<Command>(&event)) applied_.push_back(std::move(*command));
  }
  queue_.clear();
  AnswerUndecided(in_flight_commands_, why, /*in_doubt=*/true);
  AnswerUndecided(applied_, why, /*in_doubt=*/false);
  in_flight_.reset();
  domain_.reset();
  lost_ = false;
  reload_due_ = false;
  waits_ = false;
  release_wanted_ = false;
  careful_ = false;
  trust_.clear();
  quarantine_.clear();
  trouble_ = std::string(why);
}

std::vector<Effects> OwnerProtocol::TakeDeliveries() { return std::exchange(deliveries_, {}); }

std::vector<VersionId> OwnerProtocol::TakeWantedVersions() {
  return domain_ == nullptr ? std::vector<VersionId>() : domain_->TakeWantedVersions();
}

SteadyTime OwnerProtocol::NextSteady() const {
  SteadyTime next = SteadyTime::Infinite();
  const bool full = busy_ != Busy::kNo && owner() && domain_->BatchFull();
  if (MayWork() && !full) next = domain_->NextSteady();
  if (busy_ != Busy::kNo) return next;
  if (reload_due_ || (domain_ == nullptr && wanted_)) next = std::min(next, not_before_);
  if (owner() && wanted_ids_ > 0) next = std::min(next, not_before_);
  return next;
}

}  // namespace penstock::core
