#include "worker/core/worker_core.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace penstock::worker {

namespace {

constexpr size_t kRenewalsRemembered = 16;

}  // namespace

WorkerCore::WorkerCore(Options options)
    : options_(std::move(options)),
      sessions_{options_.first_session},
      ledger_(options_.capacity),
      prefetch_(options_.max_prefetch),
      random_(options_.seed) {
  PENSTOCK_CHECK(options_.slots >= 1 && options_.max_prefetch >= 0, "options are validated before");
}

// ---- Streams and bindings ----

void WorkerCore::Welcomed(const Welcome& welcome, const Now& now, Effects* fx) {
  Stream& stream = streams_[welcome.stream];
  stream.session = welcome.session;
  stream.term = welcome.term;
  if (draining_) fx->To(welcome.stream).draining = true;
  Expire(now.steady, fx);
  Incarnation& known = incarnations_[welcome.session];
  if (known && known < welcome.incarnation) {
    for (auto& [id, domain] : domains_) {
      if (domain.session == welcome.session) LoseSession(domain, fx);
    }
  }
  known = std::max(known, welcome.incarnation);
}

void WorkerCore::StreamClosed(StreamId stream) {
  if (streams_.erase(stream) == 0) return;
  for (auto& [id, domain] : domains_) {
    if (domain.bound != stream) continue;
    credits_ -= domain.credits;
    Unbind(domain);
    Rebind(domain);
  }
}

void WorkerCore::Offered(StreamId stream_id, DomainId domain_id, Epoch epoch, int64_t number) {
  const auto stream = streams_.find(stream_id);
  if (stream == streams_.end()) return;
  auto [it, is_new] = domains_.try_emplace(domain_id);
  Domain& domain = it->second;
  if (is_new) {
    domain.id = domain_id;
    domain.session = sessions_.back();
  }
  if (epoch < domain.epoch) return;
  const Offer offer{epoch, number};
  stream->second.offers[domain_id] = offer;
  if (stream->second.session != domain.session || domain.doomed > 0) return;
  if (domain.bound == stream_id && domain.epoch == epoch && domain.offer == number) return;
  Bind(domain, stream_id, offer);
}

void WorkerCore::Ended(StreamId stream_id, DomainId domain_id, Epoch epoch, EndReason reason,
                       Effects* fx) {
  const auto stream = streams_.find(stream_id);
  if (stream == streams_.end()) return;
  if (reason == EndReason::kDuplicateSession) {
    fx->duplicate_session = true;
    return;
  }
  Domain* domain = Find(domain_id);
  if (domain == nullptr) {
    // The session is not wanted even where it holds nothing.
    const bool newest = stream->second.session == sessions_.back();
    if (reason == EndReason::kSessionLost && newest) OpenSession(fx);
    return;
  }
  if (epoch < domain->epoch) return;
  if (reason == EndReason::kSessionLost) {
    if (stream->second.session == domain->session) LoseSession(*domain, fx);
    return;
  }
  stream->second.offers.erase(domain_id);
  if (domain->bound != stream_id) return;
  credits_ -= domain->credits;
  Unbind(*domain);
}

// Binds to the best offer at hand: the highest epoch, on the newest stream.
void WorkerCore::Rebind(Domain& domain) {
  if (domain.bound || domain.doomed > 0) return;
  StreamId best;
  Offer best_offer{domain.epoch, 0};
  for (const auto& [id, stream] : streams_) {
    if (stream.session != domain.session) continue;
    const auto offer = stream.offers.find(domain.id);
    if (offer == stream.offers.end() || offer->second.epoch < best_offer.epoch) continue;
    best = id;
    best_offer = offer->second;
  }
  if (best) Bind(domain, best, best_offer);
}

void WorkerCore::Bind(Domain& domain, StreamId stream, const Offer& offer) {
  credits_ -= domain.credits;
  Unbind(domain);
  domain.bound = stream;
  domain.epoch = offer.epoch;
  domain.offer = offer.number;
  domain.hello_due = true;
}

void WorkerCore::Unbind(Domain& domain) {
  domain.bound = StreamId();
  domain.hello_due = domain.confirmed = domain.sated = domain.wishes = false;
  domain.credits = domain.grant = 0;
  domain.refused.clear();
}

void WorkerCore::SayHello(Domain& domain, SteadyTime now, Effects* fx) {
  Outgoing& out = fx->To(domain.bound);
  DomainHello hello;
  hello.domain = domain.id;
  hello.epoch = domain.epoch;
  hello.offer = domain.offer;
  hello.credits = domain.grant;
  hello.draining = draining_;
  hello.shared = domain.said_shared = shared();
  hello.running = KeysOf(domain.id);
  std::vector<AttemptKey> ended;
  for (const auto& [key, report] : domain.results) ended.push_back(key);
  std::sort(ended.begin(), ended.end());
  size_t bytes = 0;
  for (const AttemptKey& key : ended) {
    const Report& report = domain.results.find(key)->second;
    bytes += report.text_bytes();
    if (bytes <= options_.hello_result_bytes) {
      hello.unacknowledged.push_back({key, report});
    } else {
      hello.running.push_back(key);
      out.results.push_back({domain.id, domain.epoch, {key, report}});
    }
  }
  std::sort(hello.running.begin(), hello.running.end());
  out.hellos.push_back(std::move(hello));
  domain.hello_due = false;
  domain.hello_at = now;
}

void WorkerCore::SayThatShared(Effects* fx) {
  if (!shared()) return;
  for (auto& [id, domain] : domains_) {
    if (!domain.bound || domain.hello_due || domain.said_shared) continue;
    domain.said_shared = true;
    fx->streams_to_reopen.push_back(domain.bound);
  }
}

// ---- Sessions ----

void WorkerCore::LoseSession(Domain& domain, Effects* fx) {
  for (const AttemptKey& key : KeysOf(domain.id)) {
    Attempt& attempt = attempts_.find(key)->second;
    if (attempt.stage < Stage::kStarting) {
      EndUnstarted(key, fx);
      continue;
    }
    attempt.doomed = true;
    ++domain.doomed;
    KillStarted(key, attempt, Cause::kLeaseLost, true, fx);
  }
  domain.results.clear();
  domain.result_bytes = 0;
  credits_ -= domain.credits;
  Unbind(domain);
  if (domain.session == sessions_.back()) OpenSession(fx);
  domain.session = sessions_.back();
  Rebind(domain);
}

void WorkerCore::OpenSession(Effects* fx) {
  const auto id = static_cast<int64_t>(random_.Next() >> 1 | 1);
  sessions_.emplace_back(id);
  fx->sessions_opened.emplace_back(id);
}

// Domains that hold nothing under an older session go on under the newest, so that older ones end.
void WorkerCore::MoveToNewestSession(Domain& domain) {
  if (domain.session == sessions_.back() || domain.held > 0 || domain.credits > 0 ||
      !domain.results.empty()) {
    return;
  }
  Unbind(domain);
  domain.session = sessions_.back();
  Rebind(domain);
}

void WorkerCore::CloseUnusedSessions(Effects* fx) {
  if (sessions_.size() == 1) return;
  for (auto& [id, domain] : domains_) MoveToNewestSession(domain);
  const SessionId newest = sessions_.back();
  const auto unused = [&](SessionId session) {
    return session != newest && std::none_of(domains_.begin(), domains_.end(), [&](const auto& d) {
             return d.second.session == session;
           });
  };
  for (const SessionId session : sessions_) {
    if (!unused(session)) continue;
    fx->sessions_closed.push_back(session);
    incarnations_.erase(session);
  }
  sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(), unused), sessions_.end());
}

// ---- Leases ----

void WorkerCore::Renew(const Now& now, Effects* fx) {
  for (auto& [id, stream] : streams_) {
    stream.renewals.emplace_back(++stream.sequence, now.steady);
    if (stream.renewals.size() > kRenewalsRemembered) stream.renewals.pop_front();
    fx->To(id).renew_sequence = stream.sequence;
  }
}

void WorkerCore::Renewed(StreamId stream_id, int64_t sequence, std::span<const DomainId> domains,
                         const Now& now, Effects* fx) {
  const auto it = streams_.find(stream_id);
  if (it == streams_.end()) return;
  auto& renewals = it->second.renewals;
  while (!renewals.empty() && renewals.front().first < sequence) renewals.pop_front();
  if (renewals.empty() || renewals.front().first != sequence) return;
  const SteadyTime deadline = renewals.front().second + it->second.term;
  for (const DomainId id : domains) {
    Domain* domain = Find(id);
    if (domain != nullptr && domain->bound == stream_id) Extend(*domain, deadline, now, fx);
  }
}

void WorkerCore::Extend(Domain& domain, SteadyTime deadline, const Now& now, Effects* fx) {
  // A lease that has run out under live attempts is acted upon first: they are dead by now.
  Expire(now.steady, fx);
  if (deadline <= domain.deadline) return;
  domain.deadline = deadline;
  domain.lapsed = false;
  if (domain.held > 0) next_deadline_ = std::min(next_deadline_, deadline);
  fx->leases.push_back({domain.id, deadline});
}

void WorkerCore::Expire(SteadyTime now, Effects* fx) {
  if (now < next_deadline_) return;
  next_deadline_ = SteadyTime::Infinite();
  for (auto& [id, domain] : domains_) {
    if (domain.lapsed || domain.held == 0) continue;
    if (domain.deadline <= now) {
      Lapse(domain, fx);
    } else {
      next_deadline_ = std::min(next_deadline_, domain.deadline);
    }
  }
}

void WorkerCore::Lapse(Domain& domain, Effects* fx) {
  domain.lapsed = true;
  for (const AttemptKey& key : KeysOf(domain.id)) {
    Attempt& attempt = attempts_.find(key)->second;
    if (attempt.stage < Stage::kStarting) {
      GiveBack(domain, key, fx);
    } else {
      KillStarted(key, attempt, Cause::kLeaseLost, true, fx);
    }
  }
}

// ---- Driving ----

void WorkerCore::Settle(const Now& now, Effects* fx) {
  Expire(now.steady, fx);
  EndGrace(now.steady, fx);
  GiveUpImpatient(queue_, now.steady, fx);
  GiveUpImpatient(starved_, now.steady, fx);
  StartWaiting(now.steady, fx);
  CloseUnusedSessions(fx);
  SayThatShared(fx);
  Distribute(now.steady);
  SendGrants(fx);
  for (auto& [id, domain] : domains_) {
    if (domain.hello_due) SayHello(domain, now.steady, fx);
    domain.grant = 0;
  }
}

Incarnation WorkerCore::incarnation(SessionId session) const {
  const auto it = incarnations_.find(session);
  return it == incarnations_.end() ? Incarnation() : it->second;
}

SteadyTime WorkerCore::NextWakeup() const {
  SteadyTime next = next_deadline_;
  if (!queue_.empty()) next = std::min(next, queue_.front().since + options_.queue_patience);
  if (!starved_.empty()) next = std::min(next, starved_.front().since + options_.queue_patience);
  if (!attempts_.empty()) next = std::min(next, drain_until_);
  return next;
}

bool WorkerCore::Drained() const {
  return draining_ && attempts_.empty() &&
         std::all_of(domains_.begin(), domains_.end(),
                     [](const auto& d) { return d.second.results.empty(); });
}

WorkerCore::Snapshot WorkerCore::Look() const {
  Snapshot view;
  view.running = running_;
  view.queued = static_cast<int>(attempts_.size()) - running_;
  view.credits = credits_;
  view.domains = static_cast<int>(domains_.size());
  view.first_deadline = SteadyTime::Infinite();
  for (const auto& [id, domain] : domains_) {
    view.unacknowledged += domain.results.size();
    view.bound_domains += domain.bound ? 1 : 0;
    if (domain.held > 0) view.first_deadline = std::min(view.first_deadline, domain.deadline);
  }
  return view;
}

WorkerCore::Domain* WorkerCore::Find(DomainId id) {
  const auto it = domains_.find(id);
  return it == domains_.end() ? nullptr : &it->second;
}

WorkerCore::Domain* WorkerCore::BoundTo(StreamId stream, DomainId id, Epoch epoch) {
  Domain* domain = Find(id);
  return domain != nullptr && domain->bound == stream && domain->epoch == epoch ? domain : nullptr;
}

// Of the attempts that are not doomed; sorted, so that equal states act equally.
std::vector<AttemptKey> WorkerCore::KeysOf(DomainId id) const {
  std::vector<AttemptKey> keys;
  for (const auto& [key, attempt] : attempts_) {
    if (attempt.domain == id && !attempt.doomed) keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace penstock::worker
