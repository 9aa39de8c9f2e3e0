#include "scheduler/core/fleet_judge.h"

#include <algorithm>
#include <tuple>

#include "common/base/random.h"

namespace penstock::core {
namespace {

// Spreads ownerless domains over equally loaded schedulers, the same way for everyone who looks.
uint64_t Affinity(DomainId domain, SchedulerId scheduler) {
  SplitMix64 mix(static_cast<uint64_t>(scheduler.value()) ^
                 (static_cast<uint64_t>(domain.value()) << 40));
  return mix.Next();
}

// One that has just joined, perhaps in the place of the dead: workers have yet to find it.
constexpr int64_t kYoungBeats = 2;

}  // namespace

void FleetJudge::Note(const std::vector<SchedulerSeen>& schedulers, SteadyTime now) {
  absl::flat_hash_map<SchedulerId, Beat> beats;
  for (const SchedulerSeen& s : schedulers) {
    Beat beat = beats_[s.id];
    if (beat.value != s.beat) {
      // Whoever beats on has only lost its lock for a moment. A beat from just before a death
      // clears the proof once; the next probe finds the lock free again.
      if (beat.value >= 0) proven_dead_.erase(s.id);
      beat = {s.beat, now};
    }
    beats[s.id] = beat;
  }
  beats_ = std::move(beats);
}

bool FleetJudge::Alive(SchedulerId id, SteadyTime now) const {
  if (id == options_.self) return true;
  const auto it = beats_.find(id);
  return it != beats_.end() && !proven_dead_.contains(id) &&
         now - it->second.changed < options_.domain_term;
}

FleetJudge::Verdict FleetJudge::Judge(const std::vector<SchedulerSeen>& schedulers,
                                      const std::vector<DomainSeen>& domains, SteadyTime now) {
  Note(schedulers, now);
  Verdict verdict;
  absl::flat_hash_map<SchedulerId, int> load;
  absl::flat_hash_set<SchedulerId> young;
  for (const SchedulerSeen& s : schedulers) {
    if (Alive(s.id, now)) load[s.id] = 0;
    if (s.beat < kYoungBeats) young.insert(s.id);
  }
  load.try_emplace(options_.self, 0);
  absl::flat_hash_set<SchedulerId> still_owning;
  for (const DomainSeen& d : domains) {
    if (d.owner && Alive(d.owner, now)) ++load[d.owner];
    if (d.owner) still_owning.insert(d.owner);
  }
  for (const SchedulerSeen& s : schedulers) {
    if (!Alive(s.id, now) && !still_owning.contains(s.id)) verdict.dead.push_back(s.id);
  }
  for (const DomainSeen& d : domains) {
    if (d.owner && Alive(d.owner, now)) {
      ownerless_since_.erase(d.id);
      continue;
    }
    if (d.feature_level > options_.feature_level) continue;
    const auto since = ownerless_since_.try_emplace(d.id, now).first->second;
    const auto best = std::min_element(load.begin(), load.end(), [&](const auto& a, const auto& b) {
      return std::tuple(young.contains(a.first), a.second, Affinity(d.id, a.first)) <
             std::tuple(young.contains(b.first), b.second, Affinity(d.id, b.first));
    });
    if (best->first == options_.self || now - since >= options_.courtesy) {
      verdict.take.push_back(d.id);
    }
    ++best->second;
  }
  // Young ones last here, too: what was handed over would be taken right back.
  const auto fewest = std::min_element(load.begin(), load.end(), [&](const auto& a, const auto& b) {
    return std::pair(young.contains(a.first), a.second) <
           std::pair(young.contains(b.first), b.second);
  });
  if (load[options_.self] >= fewest->second + 2) {
    for (const DomainSeen& d : domains) {
      if (d.owner != options_.self) continue;
      verdict.hand_over.push_back(d.id);  // one at a time: the next look judges anew
      break;
    }
  }
  return verdict;
}

}  // namespace penstock::core
