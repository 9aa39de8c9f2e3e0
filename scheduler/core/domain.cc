#include "scheduler/core/domain.h"

#include <utility>

#include "scheduler/core/suspect.h"

namespace penstock::core {

void Domain::Apply(Event event, Now now) {
  if (careful_) focus_ = RunNamed(NameOf(event));
  std::visit([&](auto& e) { On(e, now); }, event);
  RemoveFinished();
  dispatch_due_ = true;
}

Effects Domain::TakeEffects() {
  ++batch_number_;
  run_update_index_.clear();
  decision_index_.clear();
  return std::exchange(out_, Effects{});
}

SteadyTime Domain::NextSteady() const {
  SteadyTime next = SteadyTime::Infinite();
  for (const auto& [id, session] : sessions_.all()) {
    if (!session->lost) next = std::min(next, session->trusted_until);
  }
  if (!pending_marks_.empty()) next = std::min(next, pending_marks_.front().due);
  if (!retry_timers_.empty()) next = std::min(next, retry_timers_.top().at);
  if (!run_timers_.empty()) next = std::min(next, run_timers_.top().at);
  return next;
}

// Ids are asked for well ahead, so that no submission waits for them.
int64_t Domain::WantedIds() const {
  constexpr int64_t kLow = 4000;
  constexpr int64_t kBlock = 16000;
  if (ids_left_ >= kLow && held_commands_.empty()) return 0;
  return ids_left_ >= kLow ? 0 : kBlock;
}

std::vector<VersionId> Domain::TakeWantedVersions() {
  std::vector<VersionId> wanted(wanted_versions_.begin(), wanted_versions_.end());
  wanted_versions_.clear();
  return wanted;
}

absl::flat_hash_map<SessionId, SteadyTime> Domain::Trust() const {
  absl::flat_hash_map<SessionId, SteadyTime> trust;
  for (const auto& [id, session] : sessions_.all()) trust[id] = session->trusted_until;
  for (const SessionId id : sessions_.ended()) trust[id] = SteadyTime();
  return trust;
}

}  // namespace penstock::core
