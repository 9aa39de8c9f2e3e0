// Random walks of WorkerCore against model owners, a lossy connection and a model of the machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "worker/core/core_fixture.h"

namespace penstock::worker {
namespace {

// What an owner believes of the worker under its latest binding.
struct Owner {
  Epoch epoch{1};
  StreamId stream;  // that its offers go to; 0 = none
  bool bound = false;
  int credits = 0;
  std::set<AttemptKey> leased;
};

enum class Fate { kOpen, kReported, kHandedBack, kForgiven };

class World {
 public:
  World(uint64_t seed, int domains)
      : random_(seed), slots_(1 + static_cast<int>(random_.Below(4))), t_(OptionsOf(slots_)) {
    for (int d = 1; d <= domains; ++d) owners_[DomainId(d)];
  }

  void Walk(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) Step();
  }
  // Faults stop, everything comes to an end, and every accepted attempt must have had its one end.
  void Finish() {
    t_.core.Drain(absl::InfiniteDuration(), t_.now(), &t_.fx);
    Settle();
    for (int i = 0; i < 60 && !t_.core.Drained(); ++i) {
      Reconnect();
      Settle();
      while (!alive_.empty()) EndAttempt();
      for (const AttemptKey& key : std::set(preparing_)) FinishPreparing(key, false);
      Settle();
    }
    EXPECT_TRUE(t_.core.Drained());
    for (const auto& [key, fate] : fates_) {
      EXPECT_NE(fate, Fate::kOpen) << "attempt of run " << key.run;
    }
  }

 private:
  static constexpr int kPrefetch = 6;
  static WorkerCore::Options OptionsOf(int slots) {
    WorkerCore::Options options = CoreFixture::WithSlots(slots, kPrefetch);
    options.capacity.memory_bytes = 10;
    return options;
  }

  void Step() {
    switch (random_.Below(14)) {
      case 0:
        return Reconnect();
      case 1:
        return Disconnect();
      case 2:
        return MoveOwner();
      case 3:
      case 4:
      case 5:
        return Assign();
      case 6:
      case 7:
        return EndAttempt();
      case 8:
        return Wish();
      case 9:
        return ReturnCredits();
      case 10:
        return Revoke();
      case 11:
        return PassTime();
      case 12:
        return LoseSession();
      default:
        return Prepare();
    }
  }

  std::map<DomainId, Owner>::iterator AnyOwner() {
    return std::next(owners_.begin(), static_cast<long>(random_.Below(owners_.size())));
  }

  void Reconnect() {
    for (const SessionId session : t_.core.sessions()) {
      const StreamId stream(++streams_);
      sessions_[stream] = session;
      t_.Welcome(stream.value(), session);
      for (auto& [id, owner] : owners_) {
        t_.core.Offered(stream, id, owner.epoch, 1);
      }
    }
    Settle();
  }

  void Disconnect() {
    if (!random_.OneIn(3) || sessions_.empty()) return;
    const auto it =
        std::next(sessions_.begin(), static_cast<long>(random_.Below(sessions_.size())));
    t_.core.StreamClosed(it->first);
    for (auto& [id, owner] : owners_) owner.bound = owner.bound && owner.stream != it->first;
    sessions_.erase(it);
    Settle();
  }

  void MoveOwner() {
    if (!random_.OneIn(3) || sessions_.empty()) return;
    auto& [id, owner] = *AnyOwner();
    owner.epoch = Epoch(owner.epoch.value() + 1);
    owner.bound = false;
    for (const auto& [stream, session] : sessions_) {
      if (random_.OneIn(4)) t_.core.Offered(stream, id, owner.epoch, 1);
    }
    Settle();
  }

  void Assign() {
    auto& [id, owner] = *AnyOwner();
    if (!owner.bound || owner.credits == 0) return;
    --owner.credits;
    const AttemptKey key = Key(++runs_);
    Assigned a{id, owner.epoch, key, random_.OneIn(4), nullptr};
    Demand demand;
    demand.memory_bytes = static_cast<int64_t>(random_.Below(6));
    if (!a.instant && !random_.OneIn(5)) a.demand = std::make_shared<const Demand>(demand);
    if (t_.core.Assign(owner.stream, a, t_.now(), &t_.fx)) {
      fates_[key] = Fate::kOpen;
      domains_[key] = id;
      owner.leased.insert(key);
      if (!a.instant && a.demand == nullptr) preparing_.insert(key);
    }
    Settle();
  }

  void Prepare() {
    if (preparing_.empty()) return;
    FinishPreparing(*preparing_.begin(), random_.OneIn(2));
  }
  void FinishPreparing(AttemptKey key, bool well) {
    preparing_.erase(key);
    if (well) {
      t_.core.Prepared(key, std::make_shared<const Demand>(), t_.now());
    } else {
      t_.core.Finished(key, {}, t_.now(), &t_.fx);
    }
    Settle();
  }

  void EndAttempt() {
    if (alive_.empty()) return;
    const AttemptKey key = *alive_.begin();
    if (random_.OneIn(2)) t_.core.Started(key, 1, &t_.fx);
    alive_.erase(key);
    t_.Finish(key, random_.OneIn(2) ? Outcome::kSuccess : Outcome::kFailed);
    Settle();
  }

  void Wish() {
    auto& [id, owner] = *AnyOwner();
    if (!owner.bound) return;
    t_.core.Wished(owner.stream, id, owner.epoch, static_cast<int32_t>(random_.Below(5)));
    Settle();
  }

  void ReturnCredits() {
    auto& [id, owner] = *AnyOwner();
    if (!owner.bound || owner.credits == 0) return;
    const int n = 1 + static_cast<int>(random_.Below(static_cast<uint64_t>(owner.credits)));
    owner.credits -= n;
    t_.core.CreditsReturned(owner.stream, id, owner.epoch, n);
    Settle();
  }

  void Revoke() {
    auto& [id, owner] = *AnyOwner();
    if (!owner.bound || owner.leased.empty()) return;
    const AttemptKey key = *owner.leased.begin();
    t_.core.Revoked(owner.stream, id, owner.epoch, key, Cause::kCancelled, &t_.fx);
    Settle();
  }

  void PassTime() {
    t_.Advance(random_.OneIn(20) ? absl::Seconds(16) : absl::Milliseconds(random_.Below(400)));
    if (random_.OneIn(2)) {
      std::vector<DomainId> all;
      for (const auto& [id, owner] : owners_) all.push_back(id);
      for (const auto& [stream, session] : sessions_) t_.RenewAll(stream.value(), all);
    }
    Settle();
  }

  void LoseSession() {
    if (!random_.OneIn(5)) return;
    auto& [id, owner] = *AnyOwner();
    if (!owner.bound) return;
    owner.bound = false;
    owner.credits = 0;
    for (const AttemptKey& key : owner.leased) Forgive(key);
    owner.leased.clear();
    t_.core.Ended(owner.stream, id, owner.epoch, EndReason::kSessionLost, &t_.fx);
    Settle();
  }

  // ---- What comes back ----

  void Settle() {
    const Effects fx = t_.Settle();
    for (const SessionId closed : fx.sessions_closed) CloseSession(closed);
    for (const Launch& launch : fx.launches) {
      EXPECT_TRUE(launched_.insert(launch.key).second) << "launched twice";
      EXPECT_EQ(fates_.at(launch.key), Fate::kOpen);
      EXPECT_GT(launch.deadline, t_.now().steady) << "launched without a lease";
      alive_.insert(launch.key);
    }
    for (const AttemptKey& key : fx.forgotten) {
      EXPECT_FALSE(launched_.contains(key)) << "handed back after its start";
      preparing_.erase(key);
      if (fates_.at(key) != Fate::kForgiven) EndOnce(key, Fate::kHandedBack);
      owners_.at(domains_.at(key)).leased.erase(key);
    }
    for (const Outgoing& out : fx.out) Receive(out);
    EXPECT_LE(static_cast<int>(alive_.size()), slots_);
    const auto view = t_.core.Look();
    EXPECT_GE(view.credits, 0);
    EXPECT_LE(view.running + view.queued + view.credits, slots_ + kPrefetch);
    EXPECT_EQ(view.running, static_cast<int>(alive_.size()));
    for (const auto& [id, owner] : owners_) EXPECT_GE(owner.credits, 0);
  }

  void CloseSession(SessionId session) {
    for (auto it = sessions_.begin(); it != sessions_.end();) {
      if (it->second != session) {
        ++it;
        continue;
      }
      t_.core.StreamClosed(it->first);
      it = sessions_.erase(it);
    }
  }

  void Receive(const Outgoing& out) {
    if (!sessions_.contains(out.stream)) return;
    for (const DomainHello& hello : out.hellos) Hear(out.stream, hello);
    for (const CreditGrant& grant : out.credits) {
      Owner& owner = owners_.at(grant.domain);
      EXPECT_GT(grant.credits, 0);
      if (owner.bound && owner.stream == out.stream) owner.credits += grant.credits;
    }
    for (const ResultNote& note : out.results) Take(out.stream, note.domain, note.result);
  }

  void Hear(StreamId stream, const DomainHello& hello) {
    Owner& owner = owners_.at(hello.domain);
    if (hello.epoch != owner.epoch) return;  // an offer that was already stale
    owner.stream = stream;
    owner.bound = true;
    owner.credits = hello.credits;
    std::set<AttemptKey> held(hello.running.begin(), hello.running.end());
    for (const Result& result : hello.unacknowledged) held.insert(result.key);
    std::erase_if(owner.leased, [&](const AttemptKey& key) {
      if (held.contains(key)) return false;
      EXPECT_FALSE(alive_.contains(key)) << "runs, but is not in the hello";
      return true;
    });
    for (const Result& result : hello.unacknowledged) Take(stream, hello.domain, result);
  }

  void Take(StreamId stream, DomainId domain, const Result& result) {
    EXPECT_FALSE(alive_.contains(result.key)) << "reported while it runs";
    if (!reported_.contains(result.key)) EndOnce(result.key, Fate::kReported);
    reported_.insert(result.key);
    owners_.at(domain).leased.erase(result.key);
    if (!random_.OneIn(4)) t_.core.Acknowledged(stream, domain, result.key);
  }

  void EndOnce(const AttemptKey& key, Fate fate) {
    Fate& now = fates_.at(key);
    EXPECT_TRUE(now == Fate::kOpen) << "a second end of run " << key.run;
    now = fate;
  }
  void Forgive(const AttemptKey& key) {
    if (fates_.at(key) == Fate::kOpen) fates_[key] = Fate::kForgiven;
  }

  SplitMix64 random_;
  const int slots_;
  CoreFixture t_;
  std::map<DomainId, Owner> owners_;
  std::map<StreamId, SessionId> sessions_;  // live streams
  std::map<AttemptKey, Fate> fates_;        // of accepted attempts
  std::map<AttemptKey, DomainId> domains_;
  std::set<AttemptKey> alive_;
  std::set<AttemptKey> launched_;
  std::set<AttemptKey> preparing_;
  std::set<AttemptKey> reported_;
  int64_t streams_ = 0;
  int64_t runs_ = 0;
};

class WorkerCoreProperty : public testing::TestWithParam<int> {};

TEST_P(WorkerCoreProperty, EveryAcceptedAttemptHasOneEndAndNothingIsOverGranted) {
  for (uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World world(seed, GetParam());
    world.Walk(400);
    if (!HasFailure()) world.Finish();
  }
}

INSTANTIATE_TEST_SUITE_P(Domains, WorkerCoreProperty, testing::Values(1, 2, 4));

}  // namespace
}  // namespace penstock::worker
