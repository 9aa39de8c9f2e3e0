// Who gets the free slots. While only one domain is known: all to it, unless it gave credits back
// and has not wished since. With several: only on a wish, one to each in turn; a wish holds until
// it is withdrawn, and what is too much comes back.
#include <algorithm>

#include "worker/core/worker_core.h"

namespace penstock::worker {

void WorkerCore::CreditsReturned(StreamId stream, DomainId domain_id, Epoch epoch,
                                 int32_t credits) {
  Domain* domain = BoundTo(stream, domain_id, epoch);
  if (domain == nullptr || credits <= 0) return;
  const int returned = std::min(credits, domain->credits);
  domain->credits -= returned;
  credits_ -= returned;
  domain->sated = true;
}

void WorkerCore::Wished(StreamId stream, DomainId domain_id, Epoch epoch, int32_t wanted) {
  Domain* domain = BoundTo(stream, domain_id, epoch);
  if (domain == nullptr) return;
  domain->wishes = wanted > 0;
  if (domain->wishes) domain->sated = false;
}

// A first assignment extends the lease by itself; see Assign.
bool WorkerCore::LeaseAllowsWork(const Domain& domain, SteadyTime now) const {
  if (now < domain.deadline || domain.hello_due) return true;
  return !domain.confirmed && now < domain.hello_at + streams_.find(domain.bound)->second.term;
}

// While the lease is over whatever is assigned would come back at once.
bool WorkerCore::MayGrant(const Domain& domain, SteadyTime now) const {
  return domain.bound && LeaseAllowsWork(domain, now) &&
         domain.results.size() <= options_.max_unacknowledged &&
         domain.result_bytes <= options_.max_unacknowledged_bytes;
}

void WorkerCore::Distribute(SteadyTime now) {
  if (draining_) return;
  const int committed = static_cast<int>(attempts_.size()) + credits_;
  const int free = options_.slots + prefetch_.Allowance(now) - committed;
  if (free <= 0) return;
  if (shared()) return GiveInTurn(free, now);
  for (auto& [id, only] : domains_) {
    if (!only.sated && MayGrant(only, now)) only.grant = free;
  }
}

void WorkerCore::GiveInTurn(int free, SteadyTime now) {
  bool given = true;
  while (free > 0 && given) {
    given = false;
    auto it = domains_.upper_bound(last_served_);
    for (size_t n = 0; n < domains_.size() && free > 0; ++n, ++it) {
      if (it == domains_.end()) it = domains_.begin();
      Domain& domain = it->second;
      if (!domain.wishes || !MayGrant(domain, now)) continue;
      --free;
      ++domain.grant;
      last_served_ = domain.id;
      given = true;
    }
  }
}

// A grant of a domain whose hello is due travels in the hello.
void WorkerCore::SendGrants(Effects* fx) {
  for (auto& [id, domain] : domains_) {
    if (domain.grant == 0) continue;
    domain.credits += domain.grant;
    credits_ += domain.grant;
    if (domain.hello_due) continue;
    fx->To(domain.bound).credits.push_back({domain.id, domain.epoch, domain.grant});
  }
}

}  // namespace penstock::worker
