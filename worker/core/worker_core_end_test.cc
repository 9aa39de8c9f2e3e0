#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/core/core_fixture.h"
#include "worker/core/worker_core.h"

namespace penstock::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(WorkerCoreTest, AStreamIsOpenedAgainToSayThatTheWorkerIsShared) {
  CoreFixture t = Slots(2);
  EXPECT_FALSE(CoreFixture::Hellos(t.Bound(1, 7))[0].shared);
  t.Welcome(2);
  t.Offer(2, 8);
  Effects fx = t.Settle();
  EXPECT_TRUE(CoreFixture::Hellos(fx)[0].shared);
  EXPECT_THAT(fx.streams_to_reopen, ElementsAre(StreamId(1)));
  EXPECT_THAT(t.Settle().streams_to_reopen, IsEmpty());
  t.core.StreamClosed(StreamId(1));
  t.Welcome(3);
  t.Offer(3, 7);
  fx = t.Settle();
  EXPECT_TRUE(CoreFixture::Hellos(fx)[0].shared);
  EXPECT_THAT(fx.streams_to_reopen, IsEmpty());
}

// ---- Preparation and drain ----

TEST(WorkerCoreTest, ALapsedLeaseEarnsNoCreditsUntilItIsRenewed) {
  CoreFixture t(CoreFixture::WithSlots(2));
  t.Bound(1, 7);
  ASSERT_TRUE(t.Assign(1, 7, Key(1)));
  t.Settle();
  t.Advance(CoreFixture::kTerm);
  t.Settle();  // the guardian has killed it by now
  t.Finish(Key(1));
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 0);
  EXPECT_FALSE(t.Assign(1, 7, Key(2))) << "a credit was left";
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 0)
      << "it would come back at once, again and again";
  t.RenewAll(1, {DomainId(7)});
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 2);
}

TEST(WorkerCoreTest, AHelloThatNobodyConfirmedForATermEarnsNoCredits) {
  CoreFixture t(CoreFixture::WithSlots(2));
  EXPECT_EQ(CoreFixture::Credits(t.Bound(1, 7), 7), 2);
  t.Advance(CoreFixture::kTerm);
  EXPECT_FALSE(t.Assign(1, 7, Key(1)));
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 0);
  t.Offer(1, 7, 1, 2);
  EXPECT_EQ(CoreFixture::Credits(t.Settle(), 7), 2) << "with another hello it begins anew";
}

TEST(WorkerCoreTest, AnAttemptWhoseVersionIsUnknownWaitsForIt) {
  CoreFixture t = Slots(2);
  t.Bound(1, 7);
  for (int run : {1, 2}) {
    EXPECT_TRUE(t.core.Assign(StreamId(1), {DomainId(7), Epoch(1), Key(run), false, nullptr},
                              t.now(), &t.fx));
  }
  EXPECT_THAT(t.Settle().launches, IsEmpty());
  t.core.Prepared(Key(1), std::make_shared<const Demand>(), t.now());
  EXPECT_THAT(t.Settle().launches, SizeIs(1));
  Report report;
  report.cause = Cause::kSpawnFailed;
  t.core.Finished(Key(2), report, t.now(), &t.fx);
  const Effects fx = t.Settle();
  ASSERT_THAT(CoreFixture::Results(fx), SizeIs(1));
  EXPECT_EQ(CoreFixture::Credits(fx, 7), 1);
}

TEST(WorkerCoreTest, AnAttemptThatCannotBePreparedIsHandedBack) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.core.Assign(StreamId(1), {DomainId(7), Epoch(1), Key(1), false, nullptr}, t.now(), &t.fx);
  t.core.Decline(Key(1), &t.fx);
  t.core.Decline(Key(2), &t.fx);
  EXPECT_THAT(CoreFixture::HandBacks(t.Settle()), ElementsAre(Key(1)));
}

TEST(WorkerCoreTest, ADrainingWorkerTakesNothingAndFinishesWhatRuns) {
  CoreFixture t = Slots(1, 10);
  t.Bound(1, 7);
  for (int run = 1; run <= 4; ++run) {
    t.AssignInstant(1, 7, Key(run));
    t.Settle();
    t.core.Acknowledged(StreamId(1), DomainId(7), Key(run));
  }
  t.Assign(1, 7, Key(11));
  t.Assign(1, 7, Key(12));
  t.Settle();
  t.core.Drain(absl::InfiniteDuration(), t.now(), &t.fx);
  EXPECT_FALSE(t.Assign(1, 7, Key(13)));
  Effects fx = t.Settle();
  EXPECT_TRUE(fx.out[0].draining);
  EXPECT_THAT(CoreFixture::HandBacks(fx), ElementsAre(Key(12), Key(13)));
  EXPECT_FALSE(t.core.Drained());
  t.Finish(Key(11));
  fx = t.Settle();
  EXPECT_EQ(CoreFixture::Credits(fx, 7), 0);
  EXPECT_FALSE(t.core.Drained());
  t.core.Acknowledged(StreamId(1), DomainId(7), Key(11));
  EXPECT_TRUE(t.core.Drained());
}

TEST(WorkerCoreTest, WhatOutlivesTheGraceIsKilledAtTheWorkersExpense) {
  CoreFixture t = Slots(1);
  t.Bound(1, 7);
  t.Assign(1, 7, Key(1));
  t.Settle();
  t.core.Drain(absl::Seconds(5), t.now(), &t.fx);
  EXPECT_THAT(t.Settle().kills, IsEmpty());
  EXPECT_EQ(t.core.NextWakeup(), t.now().steady + absl::Seconds(5));
  t.Advance(absl::Seconds(5));
  EXPECT_THAT(t.Settle().kills, SizeIs(1));
  t.Finish(Key(1), Outcome::kFailed);
  const auto results = CoreFixture::Results(t.Settle());
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].report.cause, Cause::kWorkerLost);
}

}  // namespace
}  // namespace penstock::worker
