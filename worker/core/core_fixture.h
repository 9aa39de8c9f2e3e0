#pragma once
// What the tests of WorkerCore share: a core, its clock and short names. For tests only.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "worker/core/worker_core.h"

namespace penstock::worker {

inline AttemptKey Key(int64_t run, int32_t attempt = 1) { return {RunId(run), 0, -1, attempt}; }

class CoreFixture {
 public:
  static constexpr absl::Duration kTerm = absl::Seconds(15);

  explicit CoreFixture(WorkerCore::Options options = {}) : core(Complete(options)) {}

  static WorkerCore::Options Complete(WorkerCore::Options options) {
    options.first_session = SessionId(11);
    return options;
  }
  static WorkerCore::Options WithSlots(int slots, int prefetch = 0) {
    WorkerCore::Options options;
    options.slots = slots;
    options.max_prefetch = prefetch;
    return options;
  }

  Now now() const { return {SteadyTime::FromMicros(us), absl::FromUnixMicros(us)}; }
  void Advance(absl::Duration d) { us += absl::ToInt64Microseconds(d); }
  // The effects of everything since the last call, with a Settle at the end.
  Effects Settle() {
    core.Settle(now(), &fx);
    return std::exchange(fx, Effects());
  }
  void Welcome(int64_t stream, SessionId session = SessionId(11)) {
    core.Welcomed({StreamId(stream), session, Incarnation(1), kTerm}, now(), &fx);
  }
  void Offer(int64_t stream, int32_t domain, int64_t epoch = 1, int64_t number = 1) {
    core.Offered(StreamId(stream), DomainId(domain), Epoch(epoch), number);
  }
  // A stream with one domain bound to it.
  Effects Bound(int64_t stream, int32_t domain, int64_t epoch = 1) {
    Welcome(stream);
    Offer(stream, domain, epoch);
    return Settle();
  }
  bool Assign(int64_t stream, int32_t domain, const AttemptKey& key, Demand demand = {},
              int64_t epoch = 1) {
    Assigned a{DomainId(domain), Epoch(epoch), key, false,
               std::make_shared<const Demand>(std::move(demand))};
    return core.Assign(StreamId(stream), a, now(), &fx);
  }
  bool AssignInstant(int64_t stream, int32_t domain, const AttemptKey& key) {
    return core.Assign(StreamId(stream), {DomainId(domain), Epoch(1), key, true, nullptr}, now(),
                       &fx);
  }
  void Finish(const AttemptKey& key, Outcome outcome = Outcome::kSuccess) {
    Report report;
    report.outcome = outcome;
    report.cause = outcome == Outcome::kSuccess ? Cause::kNone : Cause::kExitCode;
    core.Finished(key, report, now(), &fx);
  }
  // Asks for renewals and answers them for `domains`.
  void RenewAll(int64_t stream, std::vector<DomainId> domains) {
    Effects asked;
    core.Renew(now(), &asked);
    for (const Outgoing& out : asked.out) {
      if (out.stream != StreamId(stream)) continue;
      core.Renewed(out.stream, *out.renew_sequence, domains, now(), &fx);
    }
  }
  static int Credits(const Effects& effects, int32_t domain) {
    int sum = 0;
    for (const Outgoing& out : effects.out) {
      for (const DomainHello& hello : out.hellos) {
        if (hello.domain == DomainId(domain)) sum += hello.credits;
      }
      for (const CreditGrant& grant : out.credits) {
        if (grant.domain == DomainId(domain)) sum += grant.credits;
      }
    }
    return sum;
  }
  static std::vector<Result> Results(const Effects& effects) {
    std::vector<Result> results;
    for (const Outgoing& out : effects.out) {
      for (const ResultNote& note : out.results) results.push_back(note.result);
    }
    return results;
  }
  static std::vector<AttemptKey> HandBacks(const Effects& effects) {
    std::vector<AttemptKey> keys;
    for (const Outgoing& out : effects.out) {
      for (const HandBack& back : out.hand_backs) keys.push_back(back.key);
    }
    return keys;
  }
  static std::vector<DomainHello> Hellos(const Effects& effects) {
    std::vector<DomainHello> hellos;
    for (const Outgoing& out : effects.out) {
      hellos.insert(hellos.end(), out.hellos.begin(), out.hellos.end());
    }
    return hellos;
  }

  // One slot with an attempt in it, Key(11), and another that waits for it, Key(12). The short ones
  // before are what made the core ask for more than it has slots for.
  void FillOneSlotAndQueue() {
    for (int run = 1; run <= 4; ++run) {
      AssignInstant(1, 7, Key(run));
      Settle();
    }
    Assign(1, 7, Key(11));
    Assign(1, 7, Key(12));
  }

  int64_t us = 1'000'000'000;
  WorkerCore core;
  Effects fx;
};

inline CoreFixture Slots(int slots, int prefetch = 0) {
  return CoreFixture(CoreFixture::WithSlots(slots, prefetch));
}

}  // namespace penstock::worker
