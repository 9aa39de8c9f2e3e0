// Careful mode: each input is noted before it is applied, and set aside when two processes ended
// at it.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "scheduler/core/owner_protocol.h"
#include "scheduler/core/suspect.h"

namespace penstock::core {
namespace {

bool Resumes(const Event& event) {
  return std::holds_alternative<IdsGranted>(event) || std::holds_alternative<VersionLoaded>(event);
}

}  // namespace

// Puts at the head of the queue what is applied next: hellos, as leases run out meanwhile, then
// turns of runs before all else that comes from outside, since they end and that need not.
void OwnerProtocol::ArrangeNext(Now now) {
  if (HelloFirst() || ResumeFirst()) return;
  if (!queue_.empty() && std::holds_alternative<RunTurn>(queue_.front())) return;
  if (const std::optional<RunId> run = domain_->WantsTurn(now)) queue_.emplace_front(RunTurn{*run});
}

// A hello's results are inputs of their own, of the runs that they belong to. Until their turn
// comes the hello speaks of these attempts as held.
bool OwnerProtocol::HelloFirst() {
  const auto it = std::find_if(queue_.begin(), queue_.end(), [](const Event& event) {
    return std::holds_alternative<SessionHello>(event);
  });
  if (it == queue_.end()) return false;
  auto hello = std::get<SessionHello>(std::move(*it));
  queue_.erase(it);
  std::vector<AttemptResult> results = std::exchange(hello.unacknowledged, {});
  for (auto result = results.rbegin(); result != results.rend(); ++result) {
    hello.running.push_back(result->ref);
    queue_.emplace_front(AttemptEnded{hello.info.id, std::move(*result)});
  }
  queue_.emplace_front(std::move(hello));
  return true;
}

// What a held command waits for. No other is carried out before it: they would be held with it, and
// carried out under its name.
bool OwnerProtocol::ResumeFirst() {
  if (domain_->held_command() == nullptr) return false;
  const auto it = std::find_if(queue_.begin(), queue_.end(), Resumes);
  if (it == queue_.end()) return false;
  std::rotate(queue_.begin(), it, it + 1);
  return true;
}

bool OwnerProtocol::MayComeNext(const Event& event) const {
  return domain_->held_command() == nullptr || !std::holds_alternative<Command>(event);
}

// What a command waited for is suspected as that command: it is carried out then.
Suspicion OwnerProtocol::SuspicionOf(const Event& event) const {
  const Command* held = domain_->held_command();
  return {NameOf(Resumes(event) && held != nullptr ? Event(*held) : event), former_};
}

// The name of what is next, once all that came before is durable. Whoever finds it there after a
// takeover knows at what the process ended.
std::optional<OwnerProtocol::Request> OwnerProtocol::NextNote() {
  if (!careful_) former_.clear();
  const bool comes = careful_ && !queue_.empty() && MayComeNext(queue_.front());
  noting_ = comes ? SuspicionOf(queue_.front()) : Suspicion{"", former_};
  if (noting_ == noted_) return std::nullopt;
  busy_ = Busy::kNoting;
  return Note{epoch_, ToText(noting_)};
}

void OwnerProtocol::OnNoted(const absl::Status& status, Now now) {
  PENSTOCK_CHECK(busy_ == Busy::kNoting, "the answer of the outstanding note");
  busy_ = Busy::kNo;
  if (lost_ || domain_ == nullptr) return;
  if (status.ok()) {
    noted_ = noting_;
    domain_->EndTurn();  // what is due of the run before is not done under this name
  } else if (absl::IsAborted(status)) {
    BecomeFollower("another scheduler owns the domain");
  } else {
    RequeueApplied();
    StartReload(FlushSeq(), Message(status), now);  // whether it was written is not known
  }
}

// The former owner's process ended while it was working on something: the second time, it is that.
void OwnerProtocol::Accuse(Now now) {
  constexpr size_t kMostFormer = 20;
  former_ = noted_.former;
  if (noted_.present.empty()) return;
  if (std::erase(former_, noted_.present) > 0) return SetAside(noted_.present, now);
  former_.push_back(noted_.present);
  if (former_.size() > kMostFormer) former_.erase(former_.begin());
}

void OwnerProtocol::SetAside(const std::string& suspect, Now now) {
  constexpr absl::Duration kRefused = absl::Minutes(1);
  if (const std::optional<RunId> run = RunNamed(suspect)) {
    quarantine_[*run] = "two schedulers ended while they worked on this run";
  } else {
    refused_[suspect] = now.steady + kRefused;
  }
}

// What ended a process is not applied for a while, which outlasts the repeats of clients and the
// leases of sessions: a command is answered, a row of the inbox consumed, a session left to its
// lease.
void OwnerProtocol::RefuseSuspects(Now now) {
  absl::erase_if(refused_, [now](const auto& entry) { return entry.second <= now.steady; });
  while (!queue_.empty() && refused_.contains(NameOf(queue_.front()))) {
    auto* command = std::get_if<Command>(&queue_.front());
    if (command != nullptr && command->inbox_id != 0) {
      command->body = CreateRuns{};  // consumes the row and does nothing
      return;
    }
    if (command != nullptr) Refuse(*command, "two schedulers ended while they carried it out");
    queue_.pop_front();
  }
}

// Whatever ended the last process would have come again by now: in most cases at first, in all when
// that was not enough.
bool OwnerProtocol::CaredEnough(Now now) const {
  const absl::Duration since = now.steady - loaded_at_;
  if (since < options_.probation || !domain_->AllBegun()) return false;
  return since >= options_.settled() || (!long_care_ && !domain_->AwaitsSessions());
}

// Nothing is done before the outstanding answer is here, which makes a pass of its own.
bool OwnerProtocol::WaitsCarefully() const { return careful_ && busy_ != Busy::kNo; }

}  // namespace penstock::core
