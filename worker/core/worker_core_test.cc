#include "worker/core/worker_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/core/core_fixture.h"

namespace penstock::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(WorkerCoreTest, GivesAllSlotsToItsOnlyDomain) {
  CoreFixture t = Slots(4);
  const Effects fx = t.Bound(1, 7);
  const auto hellos = CoreFixture::Hellos(fx);
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_EQ(hellos[0].domain, DomainId(7));
  EXPECT_EQ(hellos[0].epoch, Epoch(1));
  EXPECT_EQ(hellos[0].credits, 4);
  EXPECT_THAT(hellos[0].running, IsEmpty());
}

TEST(WorkerCoreTest, StartsWhatFitsAndReportsItsEnd) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  EXPECT_TRUE(t.Assign(1, 7, Key(1)));
  Effects fx = t.Settle();
  ASSERT_THAT(fx.launches, SizeIs(1));
  EXPECT_EQ(fx.launches[0].key, Key(1));
  EXPECT_EQ(fx.launches[0].deadline, t.now().steady + CoreFixture::kTerm);
  EXPECT_EQ(CoreFixture::Credits(fx, 7), 0);
  t.core.Started(Key(1), 123, &t.fx);
  t.Finish(Key(1));
  fx = t.Settle();
  ASSERT_THAT(fx.out, SizeIs(1));
  ASSERT_THAT(fx.out[0].started, SizeIs(1));
  EXPECT_EQ(fx.out[0].started[0].started_at_us, 123);
  EXPECT_THAT(CoreFixture::Results(fx), SizeIs(1));
  EXPECT_EQ(CoreFixture::Credits(fx, 7), 1);
}

TEST(WorkerCoreTest, HandsBackWhatComesWithoutCredit) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  EXPECT_TRUE(t.Assign(1, 7, Key(1)));
  EXPECT_FALSE(t.Assign(1, 7, Key(2)));
  const Effects fx = t.Settle();
  EXPECT_THAT(CoreFixture::HandBacks(fx), ElementsAre(Key(2)));
  EXPECT_THAT(fx.launches, SizeIs(1));
}

TEST(WorkerCoreTest, AcceptsAnAttemptOnce) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  EXPECT_TRUE(t.Assign(1, 7, Key(1)));
  EXPECT_FALSE(t.Assign(1, 7, Key(1)));
  EXPECT_THAT(t.Settle().launches, SizeIs(1));
  t.Finish(Key(1));
  t.Settle();
  EXPECT_FALSE(t.Assign(1, 7, Key(1)));
  EXPECT_THAT(t.Settle().launches, IsEmpty());
}

TEST(WorkerCoreTest, InstantAttemptsSucceedWithoutASlot) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  EXPECT_TRUE(t.AssignInstant(1, 7, Key(1)));
  const Effects fx = t.Settle();
  EXPECT_THAT(fx.launches, IsEmpty());
  ASSERT_THAT(CoreFixture::Results(fx), SizeIs(1));
  EXPECT_EQ(CoreFixture::Results(fx)[0].report.outcome, Outcome::kSuccess);
  EXPECT_EQ(CoreFixture::Credits(fx, 7), 1);
}

TEST(WorkerCoreTest, KeepsResultsUntilAcknowledgedAndSaysThemAgain) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.Assign(1, 7, Key(2));
  t.Settle();
  t.Finish(Key(1));
  t.Settle();
  t.core.StreamClosed(StreamId(1));
  t.Welcome(2);
  t.Offer(2, 7);
  auto hellos = CoreFixture::Hellos(t.Settle());
  ASSERT_THAT(hellos, SizeIs(1));
  ASSERT_THAT(hellos[0].unacknowledged, SizeIs(1));
  EXPECT_EQ(hellos[0].unacknowledged[0].key, Key(1));
  EXPECT_THAT(hellos[0].running, ElementsAre(Key(2)));
  EXPECT_EQ(hellos[0].credits, 1);
  t.core.Acknowledged(StreamId(2), DomainId(7), Key(1));
  t.Offer(2, 7, 1, /*number=*/2);
  hellos = CoreFixture::Hellos(t.Settle());
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_THAT(hellos[0].unacknowledged, IsEmpty());
}

TEST(WorkerCoreTest, EachOfferIsAnsweredByItsNumberAndOnlyOnce) {
  CoreFixture t = Slots(2);
  t.Welcome(1);
  t.Offer(1, 7, 1, 40);
  auto hellos = CoreFixture::Hellos(t.Settle());
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_EQ(hellos[0].offer, 40);
  t.Offer(1, 7, 1, 40);
  EXPECT_THAT(CoreFixture::Hellos(t.Settle()), IsEmpty());
  t.Offer(1, 7, 1, 41);
  hellos = CoreFixture::Hellos(t.Settle());
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_EQ(hellos[0].offer, 41);
}

TEST(WorkerCoreTest, ResultsThatEndWhileUnboundAreInTheNextHello) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.Settle();
  t.core.StreamClosed(StreamId(1));
  t.Finish(Key(1));
  EXPECT_THAT(t.Settle().out, IsEmpty());
  t.Welcome(2);
  t.Offer(2, 7);
  EXPECT_THAT(CoreFixture::Hellos(t.Settle())[0].unacknowledged, SizeIs(1));
}

TEST(WorkerCoreTest, ResultsTooLargeForTheHelloFollowIt) {
  WorkerCore::Options options = CoreFixture::WithSlots(3);
  options.hello_result_bytes = 10;
  CoreFixture t(options);
  t.Bound(1, 7);
  for (int run = 1; run <= 2; ++run) {
    t.Assign(1, 7, Key(run));
    t.Settle();
    Report report;
    report.outcome = Outcome::kSuccess;
    report.output_json = "{\"a\":12}";
    t.core.Finished(Key(run), report, t.now(), &t.fx);
  }
  t.Settle();
  t.Offer(1, 7, 1, /*number=*/2);
  const Effects fx = t.Settle();
  ASSERT_THAT(CoreFixture::Hellos(fx), SizeIs(1));
  EXPECT_THAT(CoreFixture::Hellos(fx)[0].unacknowledged, SizeIs(1));
  EXPECT_THAT(CoreFixture::Hellos(fx)[0].running, ElementsAre(Key(2)));
  ASSERT_THAT(CoreFixture::Results(fx), SizeIs(1));
  EXPECT_EQ(CoreFixture::Results(fx)[0].key, Key(2));
}

TEST(WorkerCoreTest, AHigherEpochMovesTheDomainAndTheOldOneIsIgnored) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7, 1);
  t.Welcome(2);
  t.Offer(2, 7, 2);
  EXPECT_THAT(CoreFixture::Hellos(t.Settle()), SizeIs(1));
  EXPECT_FALSE(t.Assign(1, 7, Key(1), {}, 1));
  EXPECT_FALSE(t.Assign(2, 7, Key(1), {}, 1));
  t.Offer(1, 7, 1);
  Effects fx = t.Settle();
  EXPECT_THAT(fx.launches, IsEmpty());
  EXPECT_THAT(CoreFixture::Hellos(fx), IsEmpty());
  EXPECT_TRUE(t.Assign(2, 7, Key(1), {}, 2));
  t.Finish(Key(1));
  t.core.Acknowledged(StreamId(1), DomainId(7), Key(1));
  EXPECT_EQ(t.core.Look().unacknowledged, 1u);
}

TEST(WorkerCoreTest, RevokeOfAQueuedAttemptHandsItBack) {
  CoreFixture t = Slots(1, 4);
  t.Bound(1, 7);
  t.FillOneSlotAndQueue();
  EXPECT_THAT(t.Settle().launches, SizeIs(1));
  t.core.Revoked(StreamId(1), DomainId(7), Epoch(1), Key(12), Cause::kCancelled, &t.fx);
  const Effects fx = t.Settle();
  EXPECT_THAT(CoreFixture::HandBacks(fx), ElementsAre(Key(12)));
  EXPECT_THAT(fx.forgotten, ElementsAre(Key(12)));
  EXPECT_THAT(fx.kills, IsEmpty());
}

TEST(WorkerCoreTest, RevokeOfARunningAttemptKillsItAndReportsTheCause) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.Settle();
  t.core.Revoked(StreamId(1), DomainId(7), Epoch(1), Key(1), Cause::kRunTimeout, &t.fx);
  Effects fx = t.Settle();
  ASSERT_THAT(fx.kills, SizeIs(1));
  EXPECT_FALSE(fx.kills[0].at_once);
  EXPECT_THAT(CoreFixture::Results(fx), IsEmpty());
  t.Finish(Key(1), Outcome::kFailed);
  fx = t.Settle();
  ASSERT_THAT(CoreFixture::Results(fx), SizeIs(1));
  EXPECT_EQ(CoreFixture::Results(fx)[0].report.cause, Cause::kRunTimeout);
  EXPECT_EQ(CoreFixture::Results(fx)[0].report.outcome, Outcome::kFailed);
}

TEST(WorkerCoreTest, RevokeOfAnUnknownAttemptIsAnsweredByAHandBack) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.core.Revoked(StreamId(1), DomainId(7), Epoch(1), Key(9), Cause::kCancelled, &t.fx);
  EXPECT_THAT(CoreFixture::HandBacks(t.Settle()), ElementsAre(Key(9)));
}

TEST(WorkerCoreTest, RevokeOfAnEndedAttemptChangesNothing) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.AssignInstant(1, 7, Key(1));
  t.Settle();
  t.core.Revoked(StreamId(1), DomainId(7), Epoch(1), Key(1), Cause::kCancelled, &t.fx);
  EXPECT_THAT(CoreFixture::HandBacks(t.Settle()), IsEmpty());
}

// ---- Leases ----

TEST(WorkerCoreTest, ALeaseCountsFromBeforeTheRenewalWasAskedFor) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  const SteadyTime asked = t.now().steady;
  Effects renew;
  t.core.Renew(t.now(), &renew);
  t.Advance(absl::Seconds(4));
  const std::vector<DomainId> domains = {DomainId(7)};
  t.core.Renewed(StreamId(1), *renew.out[0].renew_sequence, domains, t.now(), &t.fx);
  const Effects fx = t.Settle();
  ASSERT_THAT(fx.leases, SizeIs(1));
  EXPECT_EQ(fx.leases[0].deadline, asked + CoreFixture::kTerm);
}

TEST(WorkerCoreTest, AnAnswerToNoRenewalExtendsNothing) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  const std::vector<DomainId> domains = {DomainId(7)};
  t.core.Renewed(StreamId(1), 3, domains, t.now(), &t.fx);
  EXPECT_THAT(t.Settle().leases, IsEmpty());
}

TEST(WorkerCoreTest, ALapsedLeaseKillsWhatRunsAndHandsBackWhatWaits) {
  WorkerCore::Options options = CoreFixture::WithSlots(1, 4);
  options.queue_patience = absl::Hours(1);
  CoreFixture t(options);
  t.Bound(1, 7);
  t.FillOneSlotAndQueue();
  t.Settle();
  t.Advance(CoreFixture::kTerm);
  EXPECT_LE(t.core.NextWakeup(), t.now().steady);
  Effects fx = t.Settle();
  ASSERT_THAT(fx.kills, SizeIs(1));
  EXPECT_EQ(fx.kills[0].key, Key(11));
  EXPECT_EQ(fx.kills[0].cause, Cause::kLeaseLost);
  EXPECT_TRUE(fx.kills[0].at_once);
  EXPECT_THAT(CoreFixture::HandBacks(fx), ElementsAre(Key(12)));
  t.Finish(Key(11), Outcome::kFailed);
  fx = t.Settle();
  EXPECT_EQ(CoreFixture::Results(fx)[0].report.cause, Cause::kLeaseLost);
  EXPECT_FALSE(t.Assign(1, 7, Key(13))) << "nothing starts without a lease";
  EXPECT_THAT(CoreFixture::HandBacks(t.Settle()), ElementsAre(Key(13)));
}

TEST(WorkerCoreTest, ARenewalAfterTheDeadlineDoesNotSaveWhatRan) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.Settle();
  t.Advance(CoreFixture::kTerm + absl::Seconds(1));
  t.RenewAll(1, {DomainId(7)});
  const Effects fx = t.Settle();
  EXPECT_THAT(fx.kills, SizeIs(1));
  EXPECT_THAT(fx.leases, SizeIs(1));
}

TEST(WorkerCoreTest, ALapsedDomainLeavesTheOthersAlone) {
  CoreFixture t = Slots(2);
  t.Welcome(1);
  t.Offer(1, 7);
  t.Offer(1, 8);
  t.Settle();
  for (int32_t domain : {7, 8}) t.core.Wished(StreamId(1), DomainId(domain), Epoch(1), 1);
  t.Settle();
  t.Assign(1, 7, Key(1));
  t.Assign(1, 8, Key(2));
  t.Settle();
  t.Advance(absl::Seconds(10));
  t.RenewAll(1, {DomainId(8)});
  t.Settle();
  t.Advance(absl::Seconds(10));
  const Effects fx = t.Settle();
  ASSERT_THAT(fx.kills, SizeIs(1));
  EXPECT_EQ(fx.kills[0].key, Key(1));
}

// ---- Sessions ----

TEST(WorkerCoreTest, ALostSessionIsReplacedOnceItsAttemptsAreDead) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.AssignInstant(1, 7, Key(2));
  t.Settle();
  t.core.Ended(StreamId(1), DomainId(7), Epoch(1), EndReason::kSessionLost, &t.fx);
  Effects fx = t.Settle();
  ASSERT_THAT(fx.sessions_opened, SizeIs(1));
  EXPECT_THAT(fx.sessions_closed, ElementsAre(SessionId(11)));
  EXPECT_THAT(fx.kills, SizeIs(1));
  EXPECT_EQ(t.core.Look().unacknowledged, 0u);
  t.Welcome(2, fx.sessions_opened[0]);
  t.Offer(2, 7);
  EXPECT_THAT(CoreFixture::Hellos(t.Settle()), IsEmpty());
  t.Finish(Key(1), Outcome::kFailed);
  fx = t.Settle();
  EXPECT_THAT(CoreFixture::Results(fx), IsEmpty());
  ASSERT_THAT(CoreFixture::Hellos(fx), SizeIs(1));
  EXPECT_EQ(CoreFixture::Hellos(fx)[0].credits, 2);
}

TEST(WorkerCoreTest, OtherDomainsGoOnUnderTheOldSessionWhileTheyHoldAttempts) {
  CoreFixture t = Slots(2);
  t.Welcome(1);
  t.Offer(1, 7);
  t.Offer(1, 8);
  t.Settle();
  t.core.Wished(StreamId(1), DomainId(8), Epoch(1), 1);
  t.Settle();
  t.Assign(1, 8, Key(1));
  t.Settle();
  t.core.Ended(StreamId(1), DomainId(7), Epoch(1), EndReason::kSessionLost, &t.fx);
  Effects fx = t.Settle();
  EXPECT_THAT(fx.kills, IsEmpty());
  EXPECT_THAT(fx.sessions_closed, IsEmpty());
  ASSERT_THAT(t.core.sessions(), SizeIs(2));
  t.Welcome(2, t.core.sessions().back());
  t.Offer(2, 7);
  t.Offer(2, 8);
  const auto hellos = CoreFixture::Hellos(t.Settle());
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_EQ(hellos[0].domain, DomainId(7));
  t.Finish(Key(1));
  EXPECT_THAT(CoreFixture::Results(t.Settle()), SizeIs(1));
  t.core.Acknowledged(StreamId(1), DomainId(8), Key(1));
  t.core.CreditsReturned(StreamId(1), DomainId(8), Epoch(1), 2);
  fx = t.Settle();
  EXPECT_THAT(fx.sessions_closed, ElementsAre(SessionId(11)));
  ASSERT_THAT(CoreFixture::Hellos(fx), SizeIs(1));
  EXPECT_EQ(CoreFixture::Hellos(fx)[0].domain, DomainId(8));
}

TEST(WorkerCoreTest, ANewIncarnationEndsEverything) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.Settle();
  t.core.Welcomed({StreamId(2), SessionId(11), Incarnation(2), CoreFixture::kTerm}, t.now(), &t.fx);
  const Effects fx = t.Settle();
  EXPECT_THAT(fx.kills, SizeIs(1));
  EXPECT_THAT(fx.sessions_closed, ElementsAre(SessionId(11)));
}

TEST(WorkerCoreTest, AnEarlierIncarnationChangesNothing) {
  CoreFixture t = Slots(2);
  t.core.Welcomed({StreamId(1), SessionId(11), Incarnation(5), CoreFixture::kTerm}, t.now(), &t.fx);
  t.Offer(1, 7);
  t.Settle();
  t.Assign(1, 7, Key(1));
  t.Settle();
  t.Welcome(2);
  EXPECT_THAT(t.Settle().kills, IsEmpty());
  EXPECT_EQ(t.core.incarnation(SessionId(11)), Incarnation(5));
}

TEST(WorkerCoreTest, ASessionThatIsNotWantedAnywhereIsReplaced) {
  CoreFixture t = Slots(2);
  t.Welcome(1);
  t.core.Ended(StreamId(1), DomainId(9), Epoch(3), EndReason::kSessionLost, &t.fx);
  t.core.Ended(StreamId(1), DomainId(10), Epoch(3), EndReason::kSessionLost, &t.fx);
  const Effects fx = t.Settle();
  EXPECT_THAT(fx.sessions_opened, SizeIs(1));
  EXPECT_THAT(fx.sessions_closed, ElementsAre(SessionId(11)));
  EXPECT_EQ(t.core.incarnation(fx.sessions_opened[0]), Incarnation());
}

TEST(WorkerCoreTest, ADuplicateSessionEndsTheProcess) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.core.Ended(StreamId(1), DomainId(), Epoch(), EndReason::kDuplicateSession, &t.fx);
  EXPECT_TRUE(t.fx.duplicate_session);
}

TEST(WorkerCoreTest, ADomainHandedOverKeepsRunningAndWaitsForAnOffer) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.Settle();
  t.core.Ended(StreamId(1), DomainId(7), Epoch(1), EndReason::kNotOwner, &t.fx);
  EXPECT_THAT(t.Settle().kills, IsEmpty());
  EXPECT_FALSE(t.Assign(1, 7, Key(2)));
  t.Welcome(2);
  t.Offer(2, 7, 2);
  const auto hellos = CoreFixture::Hellos(t.Settle());
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_THAT(hellos[0].running, ElementsAre(Key(1)));
}

// ---- Credits ----

TEST(WorkerCoreTest, SeveralDomainsGetSlotsInTurnOnTheirWishes) {
  CoreFixture t = Slots(4);
  t.Welcome(1);
  t.Offer(1, 7);
  t.Offer(1, 8);
  t.Offer(1, 9);
  EXPECT_EQ(t.core.Look().credits, 0);
  t.Settle();
  t.core.Wished(StreamId(1), DomainId(7), Epoch(1), 100);
  t.core.Wished(StreamId(1), DomainId(9), Epoch(1), 100);
  const Effects fx = t.Settle();
  EXPECT_EQ(CoreFixture::Credits(fx, 7), 2);
  EXPECT_EQ(CoreFixture::Credits(fx, 8), 0);
  EXPECT_EQ(CoreFixture::Credits(fx, 9), 2);
}

TEST(WorkerCoreTest, ReturnedCreditGoesToWhoWishes) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  t.Offer(1, 8);
  t.Settle();
  t.core.Wished(StreamId(1), DomainId(8), Epoch(1), 5);
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 8), 0);
  t.core.CreditsReturned(StreamId(1), DomainId(7), Epoch(1), 2);
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 8), 2);
}

TEST(WorkerCoreTest, ReturnedCreditIsNotForcedBackUponTheOnlyDomain) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  t.core.CreditsReturned(StreamId(1), DomainId(7), Epoch(1), 5);
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 0);
  EXPECT_EQ(t.core.Look().credits, 0);
  t.core.Wished(StreamId(1), DomainId(7), Epoch(1), 1);
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 2);
}

TEST(WorkerCoreTest, PrefetchesOnlyWhileAttemptsAreShort) {
  CoreFixture t = Slots(2, 100);
  t.Bound(1, 7);
  int granted = 0;
  for (int run = 1; run <= 40; ++run) {
    t.AssignInstant(1, 7, Key(run));
    t.Advance(absl::Microseconds(100));
    granted = std::max(granted, t.core.Look().credits);
    t.Settle();
  }
  EXPECT_GT(granted, 20);
  EXPECT_LE(granted, 102);
  const int credits = t.core.Look().credits;
  t.Advance(absl::Seconds(1));
  t.RenewAll(1, {DomainId(7)});
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 0);
  EXPECT_EQ(t.core.Look().credits, credits);
}

TEST(WorkerCoreTest, NoCreditsWhileTooMuchIsUnacknowledged) {
  WorkerCore::Options options = CoreFixture::WithSlots(2);
  options.max_unacknowledged = 3;
  CoreFixture t(options);
  t.Bound(1, 7);
  int done = 0;
  for (int run = 1; run <= 100; ++run) {
    if (t.core.Look().credits > 0 && t.AssignInstant(1, 7, Key(run))) ++done;
    t.Settle();
  }
  EXPECT_EQ(done, 5);
  t.core.Acknowledged(StreamId(1), DomainId(7), Key(1));
  t.core.Acknowledged(StreamId(1), DomainId(7), Key(2));
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 2);
}

TEST(WorkerCoreTest, HandsBackWhatWaitedTooLongForASlot) {
  CoreFixture t = Slots(1, 10);
  t.Bound(1, 7);
  t.FillOneSlotAndQueue();
  t.Settle();
  t.Advance(absl::Milliseconds(499));
  EXPECT_THAT(CoreFixture::HandBacks(t.Settle()), IsEmpty());
  EXPECT_EQ(t.core.NextWakeup(), t.now().steady + absl::Milliseconds(1));
  t.Advance(absl::Milliseconds(1));
  EXPECT_THAT(CoreFixture::HandBacks(t.Settle()), ElementsAre(Key(12)));
}

TEST(WorkerCoreTest, ResourcesBoundWhatRunsAtOnce) {
  WorkerCore::Options options = CoreFixture::WithSlots(4);
  options.capacity.memory_bytes = 100;
  options.capacity.custom = {{"gpu", 1}};
  CoreFixture t(options);
  t.Bound(1, 7);
  Demand big;
  big.memory_bytes = 60;
  Demand gpu;
  gpu.custom = {{"gpu", 1}};
  t.Assign(1, 7, Key(1), big);
  t.Assign(1, 7, Key(2), big);
  t.Assign(1, 7, Key(3), gpu);
  Effects fx = t.Settle();
  ASSERT_THAT(fx.launches, SizeIs(2));
  EXPECT_EQ(fx.launches[0].key, Key(1));
  EXPECT_EQ(fx.launches[1].key, Key(3));
  t.Finish(Key(1));
  fx = t.Settle();
  ASSERT_THAT(fx.launches, SizeIs(1));
  EXPECT_EQ(fx.launches[0].key, Key(2));
}

TEST(WorkerCoreTest, AWishHoldsUntilItIsWithdrawn) {
  CoreFixture t = Slots(1);
  t.Welcome(1);
  t.Offer(1, 7);
  t.Offer(1, 8);
  t.Settle();
  t.core.Wished(StreamId(1), DomainId(7), Epoch(1), 1);
  for (int run = 1; run <= 3; ++run) {
    EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 1);
    EXPECT_TRUE(t.AssignInstant(1, 7, Key(run)));
  }
  t.core.Wished(StreamId(1), DomainId(7), Epoch(1), 0);
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 0);
}

}  // namespace
}  // namespace penstock::worker
