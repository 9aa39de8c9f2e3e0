// What the owner protocol does with answers that do not come as hoped. Its ordinary life is told by
// the runner's tests and the simulator.
#include "scheduler/core/owner_protocol.h"

#include <gtest/gtest.h>

namespace penstock::core {
namespace {

constexpr SchedulerId kSelf(1);
constexpr SchedulerId kOther(2);
constexpr SessionId kWorker(7);
constexpr FlushSeq kLoaded(30);

class OwnerProtocolTest : public testing::Test {
 protected:
  OwnerProtocolTest() : protocol_({DomainId(1), {}}, /*seed=*/1) {}

  Now now() const { return {SteadyTime::FromMicros(us_), absl::UnixEpoch()}; }
  template <typename Request>
  bool Asks() {
    const auto request = protocol_.Next(now());
    return request.has_value() && std::holds_alternative<Request>(*request);
  }
  void Load(int64_t epoch) {
    protocol_.WantOwnership();
    ASSERT_TRUE(Asks<OwnerProtocol::TakeOver>());
    LoadResult result;
    result.facts.domain = DomainId(1);
    result.facts.epoch = Epoch(epoch);
    result.facts.flush_seq = kLoaded;
    protocol_.OnLoaded(std::move(result), {}, now());
    ASSERT_TRUE(protocol_.owner());
  }

  int64_t us_ = 1'000'000'000;
  OwnerProtocol protocol_;
};

TEST_F(OwnerProtocolTest, TakesADomainAgainThatIsItsOwnOnlyInTheDatabase) {
  protocol_.WantOwnership();
  ASSERT_TRUE(Asks<OwnerProtocol::TakeOver>());
  protocol_.OnLoaded(absl::UnavailableError("the answer was lost"), {}, now());
  us_ += 10'000'000;
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
  protocol_.Observe(Epoch(1), kOther, kSelf, now());
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
  protocol_.Observe(Epoch(2), kSelf, kSelf, now());
  EXPECT_TRUE(Asks<OwnerProtocol::TakeOver>());
}

TEST_F(OwnerProtocolTest, DoesNotTakeBackWhatItHasHandedOver) {
  Load(4);
  protocol_.WantRelease();
  ASSERT_TRUE(Asks<OwnerProtocol::Release>());
  protocol_.OnReleased(absl::OkStatus(), now());
  protocol_.Observe(Epoch(4), kSelf, kSelf, now());  // read before the release
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
}

TEST_F(OwnerProtocolTest, TakesBackWhatItCouldNotHandOver) {
  Load(4);
  protocol_.WantRelease();
  ASSERT_TRUE(Asks<OwnerProtocol::Release>());
  protocol_.OnReleased(absl::UnavailableError("no database"), now());
  EXPECT_FALSE(Asks<OwnerProtocol::TakeOver>());
  protocol_.Observe(Epoch(4), kSelf, kSelf, now());
  EXPECT_TRUE(Asks<OwnerProtocol::TakeOver>());
}

// The worker goes on by a confirmation from the moment it has it.
TEST_F(OwnerProtocolTest, CountsConfirmationsAtOnce) {
  Load(1);
  SessionHello hello;
  hello.info.id = kWorker;
  hello.binding = BindingId(1);
  ASSERT_TRUE(protocol_.Offer(std::move(hello)));
  protocol_.Pump(now());
  const SteadyTime before = protocol_.domain()->Trust().at(kWorker);
  ASSERT_TRUE(protocol_.Offer(SessionConfirmed{kWorker, now().steady + absl::Seconds(5)}));
  EXPECT_EQ(protocol_.queued(), 0u);
  EXPECT_EQ(protocol_.domain()->Trust().at(kWorker), before + absl::Seconds(5));
}

// ---- Lost commits ----

TEST_F(OwnerProtocolTest, SaysWhatItKnowsToBeCommitted) {
  Load(4);
  protocol_.Recheck(now());
  const auto reload = protocol_.Next(now());
  ASSERT_TRUE(reload.has_value());
  EXPECT_EQ(std::get<OwnerProtocol::Reload>(*reload).known, kLoaded);
  EXPECT_FALSE(std::get<OwnerProtocol::Reload>(*reload).waited);
  protocol_.OnLoaded(absl::AbortedError("another owner"), {}, now());
  protocol_.WantOwnership();
  us_ += 10'000'000;
  const auto takeover = protocol_.Next(now());
  ASSERT_TRUE(takeover.has_value());
  EXPECT_EQ(std::get<OwnerProtocol::TakeOver>(*takeover).known, kLoaded);
}

TEST_F(OwnerProtocolTest, HoldsStillUntilTheLeasesOfALostLifeHaveEnded) {
  Load(4);
  protocol_.Recheck(now());
  ASSERT_TRUE(Asks<OwnerProtocol::Reload>());
  LoadResult lost;
  lost.facts.epoch = Epoch(1000);
  lost.facts.flush_seq = FlushSeq(5000);
  lost.facts.waits = true;
  protocol_.OnLoaded(lost, {}, now());
  EXPECT_FALSE(protocol_.owner());
  EXPECT_TRUE(protocol_.waiting());
  EXPECT_FALSE(protocol_.Offer(SessionConfirmed{kWorker, now().steady}));
  const lease::Terms terms;
  us_ += absl::ToInt64Microseconds(terms.takeover_wait()) - 1;
  EXPECT_FALSE(Asks<OwnerProtocol::Reload>());
  us_ += 1;
  const auto request = protocol_.Next(now());
  ASSERT_TRUE(request.has_value());
  const auto& reload = std::get<OwnerProtocol::Reload>(*request);
  EXPECT_EQ(reload.epoch, Epoch(1000));
  EXPECT_TRUE(reload.waited);
  LoadResult found;
  found.facts.epoch = Epoch(1000);
  protocol_.OnLoaded(std::move(found), {}, now());
  EXPECT_TRUE(protocol_.owner());
  EXPECT_FALSE(protocol_.waiting());
}

}  // namespace
}  // namespace penstock::core
