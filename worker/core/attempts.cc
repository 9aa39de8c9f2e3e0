// The life of attempts, from the assignment to the result.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "worker/core/worker_core.h"

namespace penstock::worker {

namespace {

// A user's decision stands even if the attempt still managed to succeed.
bool Overrules(Cause cause) { return cause == Cause::kCancelled || cause == Cause::kRunTimeout; }

std::string_view ErrorOf(Cause cause) {
  switch (cause) {
    case Cause::kLeaseLost:
      return "the worker lost its lease; the attempt was killed in time";
    case Cause::kWorkerLost:
      return "the worker shut down before the attempt ended";
    case Cause::kCancelled:
      return "cancelled";
    case Cause::kRunTimeout:
      return "the run's timeout passed";
    case Cause::kNone:
    case Cause::kExitCode:
    case Cause::kSignal:
    case Cause::kTimeout:
    case Cause::kOutOfMemory:
    case Cause::kSpawnFailed:
    case Cause::kOutputInvalid:
    case Cause::kExpression:
    case Cause::kHandedBack:
    case Cause::kSkipRequested:
      return "";
  }
  return "";
}

void ApplyKill(Cause cause, Report* report) {
  if (report->outcome == Outcome::kSuccess && !Overrules(cause)) return;
  report->outcome = Outcome::kFailed;
  report->cause = cause;
  report->output_json.clear();
  report->error = ErrorOf(cause);
}

}  // namespace

bool WorkerCore::Assign(StreamId stream, const Assigned& assigned, const Now& now, Effects* fx) {
  Domain* domain = BoundTo(stream, assigned.domain, assigned.epoch);
  if (domain == nullptr || domain->hello_due) return false;
  if (!domain->confirmed) {
    domain->confirmed = true;
    Extend(*domain, domain->hello_at + streams_.find(stream)->second.term, now, fx);
  }
  const bool had_credit = domain->credits > 0;
  if (had_credit) {
    --domain->credits;
    --credits_;
  }
  if (attempts_.contains(assigned.key) || domain->results.contains(assigned.key)) return false;
  if (domain->refused.contains(assigned.key)) return false;
  if (!had_credit || draining_ || domain->deadline <= now.steady) {
    fx->To(stream).hand_backs.push_back({domain->id, domain->epoch, assigned.key});
    return false;
  }
  return Accept(*domain, assigned, now, fx);
}

bool WorkerCore::Accept(Domain& domain, const Assigned& assigned, const Now& now, Effects* fx) {
  if (assigned.instant) {
    Report report;
    report.outcome = Outcome::kSuccess;
    report.started_at_us = report.finished_at_us = absl::ToUnixMicros(now.wall);
    prefetch_.Ended(1, absl::ZeroDuration(), now.steady);
    Keep(domain, assigned.key, std::move(report), fx);
    return true;
  }
  Attempt& attempt = attempts_[assigned.key];
  attempt.domain = domain.id;
  ++domain.held;
  next_deadline_ = std::min(next_deadline_, domain.deadline);
  if (assigned.demand != nullptr) Prepared(assigned.key, assigned.demand, now);
  return true;
}

void WorkerCore::Prepared(const AttemptKey& key, std::shared_ptr<const Demand> demand,
                          const Now& now) {
  const auto it = attempts_.find(key);
  if (it == attempts_.end() || it->second.stage != Stage::kPreparing) return;
  it->second.stage = Stage::kQueued;
  it->second.since = now.steady;
  it->second.demand = std::move(demand);
  queue_.push_back({key, now.steady});
}

void WorkerCore::Decline(const AttemptKey& key, Effects* fx) {
  const auto it = attempts_.find(key);
  if (it == attempts_.end() || it->second.stage >= Stage::kStarting) return;
  GiveBack(*Find(it->second.domain), key, fx);
}

void WorkerCore::Started(const AttemptKey& key, int64_t started_at_us, Effects* fx) {
  const auto it = attempts_.find(key);
  if (it == attempts_.end() || it->second.stage != Stage::kStarting) return;
  it->second.stage = Stage::kRunning;
  const Domain& domain = *Find(it->second.domain);
  if (it->second.doomed || !domain.bound || domain.hello_due) return;
  fx->To(domain.bound).started.push_back({domain.id, domain.epoch, key, started_at_us});
}

void WorkerCore::Finished(const AttemptKey& key, Report report, const Now& now, Effects* fx) {
  Expire(now.steady, fx);
  const auto it = attempts_.find(key);
  if (it == attempts_.end()) return;
  const Attempt attempt = it->second;
  Domain& domain = *Find(attempt.domain);
  if (attempt.stage >= Stage::kStarting) prefetch_.Ended(1, now.steady - attempt.since, now.steady);
  Remove(it);
  if (attempt.doomed) {
    if (domain.doomed == 0) Rebind(domain);
    return;
  }
  if (attempt.killed) ApplyKill(*attempt.killed, &report);
  Keep(domain, key, std::move(report), fx);
}

void WorkerCore::Keep(Domain& domain, const AttemptKey& key, Report report, Effects* fx) {
  domain.result_bytes += report.text_bytes();
  if (domain.bound && !domain.hello_due) {
    fx->To(domain.bound).results.push_back({domain.id, domain.epoch, {key, report}});
  }
  domain.results.emplace(key, std::move(report));
}

void WorkerCore::Acknowledged(StreamId stream, DomainId domain_id, const AttemptKey& key) {
  Domain* domain = Find(domain_id);
  if (domain == nullptr || domain->bound != stream) return;
  const auto it = domain->results.find(key);
  if (it == domain->results.end()) return;
  domain->result_bytes -= it->second.text_bytes();
  domain->results.erase(it);
}

void WorkerCore::Revoked(StreamId stream, DomainId domain_id, Epoch epoch, const AttemptKey& key,
                         Cause cause, Effects* fx) {
  Domain* domain = BoundTo(stream, domain_id, epoch);
  if (domain == nullptr || domain->results.contains(key)) return;
  const auto it = attempts_.find(key);
  if (it != attempts_.end() && it->second.stage >= Stage::kStarting) {
    KillStarted(key, it->second, cause, false, fx);
  } else {
    GiveBack(*domain, key, fx);
  }
}

// Says that the attempt is not here (any more), which is also true of one never heard of.
// Then the assignment may still be on its way, behind the revoke: it must not be taken any more.
void WorkerCore::GiveBack(Domain& domain, const AttemptKey& key, Effects* fx) {
  if (!attempts_.contains(key)) domain.refused.insert(key);
  EndUnstarted(key, fx);
  if (!domain.bound || domain.hello_due) return;
  fx->To(domain.bound).hand_backs.push_back({domain.id, domain.epoch, key});
}

void WorkerCore::EndUnstarted(const AttemptKey& key, Effects* fx) {
  const auto it = attempts_.find(key);
  if (it == attempts_.end()) return;
  PENSTOCK_CHECK(it->second.stage < Stage::kStarting, "a started attempt ends with a result");
  Remove(it);
  fx->forgotten.push_back(key);
}

// The first reason counts; a later one can only make it quicker.
void WorkerCore::KillStarted(const AttemptKey& key, Attempt& attempt, Cause cause, bool at_once,
                             Effects* fx) {
  if (attempt.killed && !at_once) return;
  if (!attempt.killed) attempt.killed = cause;
  fx->kills.push_back({key, *attempt.killed, at_once});
}

void WorkerCore::Remove(Attempts::iterator it) {
  const Attempt& attempt = it->second;
  Domain& domain = *Find(attempt.domain);
  --domain.held;
  if (attempt.doomed) --domain.doomed;
  if (attempt.stage >= Stage::kStarting) {
    --running_;
    if (!attempt.demand->empty()) {
      ledger_.Give(*attempt.demand);
      resources_freed_ = true;
    }
  }
  attempts_.erase(it);
}

bool WorkerCore::IsWaiting(const AttemptKey& key) const {
  const auto it = attempts_.find(key);
  return it != attempts_.end() && it->second.stage == Stage::kQueued;
}

void WorkerCore::GiveUpImpatient(std::deque<Waiting>& line, SteadyTime now, Effects* fx) {
  while (!line.empty()) {
    const Waiting first = line.front();
    const bool here = IsWaiting(first.key);
    if (here && now < first.since + options_.queue_patience) return;
    line.pop_front();
    if (here) GiveBack(*Find(attempts_.find(first.key)->second.domain), first.key, fx);
  }
}

void WorkerCore::StartWaiting(SteadyTime now, Effects* fx) {
  if (resources_freed_) {
    resources_freed_ = false;
    std::erase_if(starved_, [&](const Waiting& w) { return TryStart(w, now, fx); });
  }
  while (!queue_.empty() && running_ < options_.slots) {
    const Waiting next = queue_.front();
    queue_.pop_front();
    if (!TryStart(next, now, fx)) starved_.push_back(next);
  }
}

// True = it needs to wait no longer, be it started or gone.
bool WorkerCore::TryStart(const Waiting& waiting, SteadyTime now, Effects* fx) {
  if (!IsWaiting(waiting.key)) return true;
  Attempt& attempt = attempts_.find(waiting.key)->second;
  if (running_ >= options_.slots || !ledger_.TryTake(*attempt.demand)) return false;
  attempt.stage = Stage::kStarting;
  attempt.since = now;
  ++running_;
  fx->launches.push_back({waiting.key, attempt.domain, Find(attempt.domain)->deadline});
  return true;
}

void WorkerCore::Drain(absl::Duration grace, const Now& now, Effects* fx) {
  if (grace < absl::Hours(24 * 365)) drain_until_ = std::min(drain_until_, now.steady + grace);
  if (draining_) return;
  draining_ = true;
  for (const auto& [id, stream] : streams_) fx->To(id).draining = true;
  for (auto& [id, domain] : domains_) {
    for (const AttemptKey& key : KeysOf(id)) {
      if (attempts_.find(key)->second.stage < Stage::kStarting) GiveBack(domain, key, fx);
    }
  }
}

void WorkerCore::EndGrace(SteadyTime now, Effects* fx) {
  if (now < drain_until_) return;
  for (auto& [id, domain] : domains_) {
    for (const AttemptKey& key : KeysOf(id)) {
      Attempt& attempt = attempts_.find(key)->second;
      if (!attempt.killed) KillStarted(key, attempt, Cause::kWorkerLost, false, fx);
    }
  }
  drain_until_ = SteadyTime::Infinite();
}

}  // namespace penstock::worker
