// Commits that are missing, or may be: the lives of a domain.
#include "gmock/gmock.h"
#include "scheduler/store/pg/fleet_store.h"
#include "scheduler/store/pg/pg_test_base.h"

namespace penstock::pg {
namespace {

class LivesTest : public PgTest {
 protected:
  LivesTest() : ns_(NewNamespace("team")), owner_(*database_, ns_.domain) {}

  // As if the files had been promoted elsewhere since the last load.
  void Move() { Sql("update penstock.domain set identity = 'elsewhere:00000001'"); }
  // Puts the domain back to where it was before its last flush.
  void LoseLastFlush() {
    Sql("delete from penstock.domain_flush where flush_seq = "
        "(select max(flush_seq) from penstock.domain_flush)");
  }
  static FlushSeq Next(FlushSeq seq) { return FlushSeq(seq.value() + 1); }

  const store::NamespaceRecord ns_;
  Owner owner_;
};

TEST_F(LivesTest, AnOwnerWhoseLastFlushIsThereGoesOnOnAnotherTimeline) {
  owner_.MustFlush(core::FlushBatch());
  Move();
  PgFleetStore fleet(*database_);
  ASSERT_TRUE(fleet.Register({SchedulerId(1), "s1", "host:1", 0, 1, 5}).ok());
  EXPECT_TRUE(fleet.Beat(SchedulerId(1))->domains[0].moved);
  const auto load = owner_.store.Reload({owner_.epoch, FlushSeq(), owner_.seq});
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_FALSE(load->facts.waits);
  EXPECT_EQ(load->facts.epoch, owner_.epoch);
  EXPECT_EQ(load->facts.incarnation, owner_.facts.incarnation);
  EXPECT_EQ(load->facts.flush_seq, Next(owner_.seq));
  EXPECT_FALSE(fleet.Beat(SchedulerId(1))->domains[0].moved);
}

TEST_F(LivesTest, ATakeoverOnAnotherTimelineBeginsANewLife) {
  Move();
  const auto load = owner_.store.TakeOver(SchedulerId(2), {owner_.epoch, FlushSeq()});
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_TRUE(load->facts.waits);
  EXPECT_GT(load->facts.epoch, Epoch(owner_.epoch.value() + 1000));
  EXPECT_GT(load->facts.incarnation, owner_.facts.incarnation);
  EXPECT_EQ(owner_.Flush(core::FlushBatch()).verdict, store::FlushVerdict::kFenced);
}

TEST_F(LivesTest, AnOwnerWhoseLastFlushIsGoneWaitsAndSkipsWhatTheLostPartMayHaveUsed) {
  const auto ids = owner_.store.TakeIds(owner_.epoch, 10);
  ASSERT_TRUE(ids.ok());
  owner_.MustFlush(core::FlushBatch());
  LoseLastFlush();
  const auto held = owner_.store.Reload({owner_.epoch, Next(owner_.seq), owner_.seq});
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_TRUE(held->facts.waits);
  EXPECT_EQ(held->in_doubt_committed, false);
  EXPECT_GT(held->facts.first_attempt, 0);
  EXPECT_GT(held->facts.flush_seq, Next(owner_.seq));
  // Nobody gets around the wait by a takeover, or a reload before its time.
  const Epoch epoch = held->facts.epoch;
  EXPECT_TRUE(owner_.store.Reload({epoch, FlushSeq(), held->facts.flush_seq})->facts.waits);
  const auto next = owner_.store.TakeOver(SchedulerId(2), {epoch});
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(next->facts.waits);
  const auto over =
      owner_.store.Reload({next->facts.epoch, FlushSeq(), next->facts.flush_seq, /*waited=*/true});
  ASSERT_TRUE(over.ok()) << over.status();
  EXPECT_FALSE(over->facts.waits);
  EXPECT_EQ(over->facts.first_attempt, held->facts.first_attempt);
  const auto later = owner_.store.TakeIds(over->facts.epoch, 10);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_GT(later->first.value(), ids->first.value() + 1'000'000);
  EXPECT_EQ(later->first.value() >> 40, ids->first.value() >> 40);
}

TEST_F(LivesTest, AnybodyWhoKnowsOfALostFlushDeposesTheOwner) {
  PgFleetStore fleet(*database_);
  ASSERT_TRUE(fleet.Register({SchedulerId(1), "s1", "host:1", 0, 1, 5}).ok());
  ASSERT_TRUE(fleet.DeclareLoss(ns_.domain, owner_.seq).ok());
  EXPECT_EQ(fleet.Beat(SchedulerId(1))->domains[0].owner, SchedulerId(1));  // nothing is lost
  ASSERT_TRUE(fleet.DeclareLoss(ns_.domain, Next(owner_.seq)).ok());
  const auto view = fleet.Beat(SchedulerId(1));
  EXPECT_EQ(view->domains[0].owner, SchedulerId());
  EXPECT_GT(view->incarnation, owner_.facts.incarnation);
  EXPECT_EQ(owner_.Flush(core::FlushBatch()).verdict, store::FlushVerdict::kFenced);
  const auto load = owner_.store.TakeOver(SchedulerId(1), {view->domains[0].epoch});
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_TRUE(load->facts.waits);
}

TEST_F(LivesTest, TwoLivesFromTheSameStateDiffer) {
  const auto names = [this] {
    Sql("select penstock.skip_names_1('a test')");
    return SqlInt("select skipped from penstock.partition where opened_us is not null");
  };
  const int64_t first = names();
  Sql("update penstock.partition set skipped = 0");
  EXPECT_NE(names(), first);
}

}  // namespace
}  // namespace penstock::pg
