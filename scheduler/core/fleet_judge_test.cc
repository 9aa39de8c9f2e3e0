#include "scheduler/core/fleet_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr SchedulerId kDead(1), kOld(2);

FleetJudge JudgeOf(SchedulerId self) {
  return FleetJudge({self, 1, absl::Seconds(3), absl::Milliseconds(400)});
}

// Whatever its id, and so its affinity: the one that joined in place of the dead is passed over.
TEST(FleetJudgeTest, AnEstablishedSchedulerTakesOverNotOneThatHasJustJoined) {
  const SteadyTime now = SteadyTime::FromMicros(1'000'000);
  const std::vector<DomainSeen> domains = {{DomainId(1), Epoch(1), kDead, 1}};
  for (int64_t id = 3; id < 20; ++id) {
    const SchedulerId joined(id);
    const std::vector<SchedulerSeen> fleet = {{kDead, 50, 1}, {kOld, 40, 1}, {joined, 1, 1}};
    FleetJudge old = JudgeOf(kOld), young = JudgeOf(joined);
    for (FleetJudge* judge : {&old, &young}) {
      EXPECT_THAT(judge->Judge(fleet, domains, now).take, IsEmpty());  // its owner may live
      judge->ProvenDead(kDead);
    }
    EXPECT_THAT(old.Judge(fleet, domains, now).take, ElementsAre(DomainId(1)));
    EXPECT_THAT(young.Judge(fleet, domains, now).take, IsEmpty());
    // Unless nobody else does.
    EXPECT_THAT(young.Judge(fleet, domains, now + absl::Seconds(1)).take, ElementsAre(DomainId(1)));
  }
}

TEST(FleetJudgeTest, HandsOverOneDomainAtATimeAndNoneToASchedulerThatHasJustJoined) {
  const SteadyTime now = SteadyTime::FromMicros(1'000'000);
  const SchedulerId joined(3);
  const std::vector<DomainSeen> domains = {{DomainId(1), Epoch(1), kOld, 1},
                                           {DomainId(2), Epoch(1), kOld, 1},
                                           {DomainId(3), Epoch(1), kOld, 1}};
  FleetJudge judge = JudgeOf(kOld);
  EXPECT_THAT(judge.Judge({{kOld, 40, 1}, {joined, 1, 1}}, domains, now).hand_over, IsEmpty());
  EXPECT_THAT(judge.Judge({{kOld, 41, 1}, {joined, 2, 1}}, domains, now).hand_over,
              ElementsAre(DomainId(1)));
}

}  // namespace
}  // namespace penstock::core
