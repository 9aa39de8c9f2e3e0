#include "scheduler/api/liveness.h"

#include <utility>

namespace penstock::api {

void Liveness::Observe(const store::FleetView& fleet) {
  const SteadyTime now = clock_.Steady();
  absl::flat_hash_map<SchedulerId, Seen> next;
  MutexLock lock(&mu_);
  for (const store::SchedulerRow& row : fleet.schedulers) {
    const auto before = seen_.find(row.id);
    const bool same = before != seen_.end() && before->second.beat == row.beat;
    next[row.id] = {row.beat, same ? before->second.changed : now};
  }
  seen_ = std::move(next);
}

bool Liveness::IsAlive(SchedulerId id) const {
  MutexLock lock(&mu_);
  const auto it = seen_.find(id);
  return it != seen_.end() && clock_.Steady() - it->second.changed < term_;
}

}  // namespace penstock::api
