// Who runs next, and what limits them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "scheduler/core/domain_fixture.h"

namespace penstock::core {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

int CountOf(const Effects& fx, RunId run) {
  return static_cast<int>(std::count_if(fx.assigns.begin(), fx.assigns.end(),
                                        [&](const Assign& a) { return a.ref.key.run == run; }));
}

// ---- Fair share ----

struct ShareCase {
  const char* name;
  int weight_a, weight_b, grants, to_a;
};

class ShareTest : public ::testing::TestWithParam<ShareCase> {};

TEST_P(ShareTest, NamespacesGetSlotsByTheirWeights) {
  const ShareCase& c = GetParam();
  DomainFixture t;
  t.facts.namespaces.clear();
  t.AddNamespace(1, c.weight_a);
  t.AddNamespace(2, c.weight_b);
  const DagId a = t.AddDag(MakeWideDag(200), 1);
  const DagId b = t.AddDag(MakeWideDag(200), 2);
  t.Load();
  t.Worker(1, 0);
  const RunId run_a = t.Create(a);
  t.Create(b);
  const Effects fx = t.Grant(1, c.grants);
  ASSERT_THAT(fx.assigns, SizeIs(c.grants));
  EXPECT_NEAR(CountOf(fx, run_a), c.to_a, 1);
}

INSTANTIATE_TEST_SUITE_P(Table, ShareTest,
                         ::testing::Values(ShareCase{"equal", 1, 1, 40, 20},
                                           ShareCase{"one_to_three", 1, 3, 40, 10},
                                           ShareCase{"three_to_one", 3, 1, 40, 30},
                                           ShareCase{"one_to_nine", 1, 9, 100, 10},
                                           ShareCase{"odd", 2, 5, 70, 20}),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(AdmissionTest, IdlingEarnsNothing) {
  DomainFixture t;
  t.AddNamespace(2, 1);
  const DagId a = t.AddDag(MakeWideDag(300), 1);
  const DagId b = t.AddDag(MakeWideDag(300), 2);
  t.Load();
  t.Worker(1, 0);
  const RunId run_a = t.Create(a);
  EXPECT_EQ(CountOf(t.Grant(1, 100), run_a), 100);
  t.Create(b);
  EXPECT_NEAR(CountOf(t.Grant(1, 40), run_a), 20, 1);
}

TEST(AdmissionTest, RunsOfEqualWeightTakeTurns) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeWideDag(50), 0);
  const RunId first = t.Create(dag);
  const RunId second = t.Create(dag);
  const Effects fx = t.Grant(1, 10);
  EXPECT_EQ(CountOf(fx, first), 5);
  EXPECT_EQ(CountOf(fx, second), 5);
}

TEST(AdmissionTest, DagsTakeTurnsHoweverManyRunsTheyHave) {
  DomainFixture t;
  dag::DagSpec many = MakeWideDag(2);
  many.max_active_runs = 50;
  const DagId a = t.AddDag(std::move(many), 1);
  const DagId b = t.AddDag(MakeWideDag(50), 1);
  t.Load();
  t.Worker(1, 0);
  for (int i = 0; i < 50; ++i) t.Create(a);
  EXPECT_THAT(t.Grant(1, 20).assigns, SizeIs(20));
  const RunId one = t.Create(b);
  EXPECT_NEAR(CountOf(t.Grant(1, 40), one), 20, 1);  // what came before earns and costs nothing
}

TEST(AdmissionTest, LinesThatHaveWaitedLongLeaveEverySecondTurnToTheOthers) {
  DomainFixture t;
  dag::DagSpec many = MakeWideDag(2);
  many.max_active_runs = 50;
  const DagId a = t.AddDag(std::move(many), 1);
  const DagId b = t.AddDag(MakeWideDag(50), 1);
  t.Load();
  t.Worker(1, 0);
  for (int i = 0; i < 50; ++i) t.Create(a);
  t.Grant(1, 1);
  t.Advance(t.options.ageing_bound + absl::Seconds(1));
  const RunId fresh = t.Create(b);
  EXPECT_GE(CountOf(t.Grant(1, 20), fresh), 9);
}

TEST(AdmissionTest, TheHeavierTaskGoesFirstAndEqualOnesByTheirIndex) {
  DomainFixture t;
  dag::DagSpec spec = MakeWideDag(4);
  spec.tasks[2].priority = 10;
  const DagId dag = t.LoadWith(std::move(spec), 0);
  t.Create(dag);
  std::vector<int> order(4);
  for (int& task : order) task = t.Grant(1, 1).assigns.at(0).ref.key.task;
  EXPECT_THAT(order, ::testing::ElementsAre(2, 0, 1, 3));
}

// ---- Pools ----

TEST(AdmissionTest, AFullPoolHoldsUpNobodyElse) {
  DomainFixture t;
  t.AddPool("p", 2);
  dag::DagSpec pooled = MakeWideDag(50, InPool("p"));
  for (dag::TaskSpec& task : pooled.tasks) task.priority = 100;
  const DagId a = t.AddDag(std::move(pooled));
  const DagId b = t.AddDag(MakeWideDag(20));
  t.Load();
  t.Worker(1, 10);
  const RunId run_a = t.Create(a);
  const RunId run_b = t.Create(b);
  EXPECT_EQ(t.HeldOf(run_a), 2);
  EXPECT_EQ(t.HeldOf(run_b), 8);
  EXPECT_EQ(t.PoolUsed("p"), 2);
}

TEST(AdmissionTest, PoolSlotsComeBackWithEveryKindOfEnd) {
  DomainFixture t;
  t.AddPool("p", 3);
  const DagId dag = t.LoadWith(MakeDag({MakeTask("a", {}, InPool("p", 3))}), 100);
  for (const Outcome outcome : {Outcome::kSuccess, Outcome::kFailed, Outcome::kSkipped}) {
    const RunId run = t.Create(dag);
    EXPECT_EQ(t.PoolUsed("p"), 3);
    t.EndTask(run, 0, outcome);
    EXPECT_EQ(t.PoolUsed("p"), 0);
  }
}

// Small ones keep coming; the large one gets what frees once it has waited for its bound.
TEST(AdmissionTest, ARequestForFiftySlotsIsNotStarvedBySmallOnes) {
  DomainFixture t;
  t.options.ageing_bound = absl::Seconds(60);
  t.AddPool("p", 50);
  const DagId small = t.AddDag(MakeWideDag(2000, InPool("p", 1)));
  const DagId large = t.AddDag(MakeDag({MakeTask("big", {}, InPool("p", 50))}));
  t.Load();
  t.Worker(1, 100'000);
  t.Create(small);
  ASSERT_EQ(t.PoolUsed("p"), 50);
  const RunId run = t.Create(large);
  EXPECT_EQ(t.ReasonOf(run, 0), Reason::kBlockedPool);
  int ends = 0;
  for (int second = 0; second < 200 && t.StateOf(run, 0) == TaskState::kReady; ++second) {
    t.Advance(absl::Seconds(1));
    if (!t.held.empty()) {
      t.End(AttemptRef(t.held.begin()->first));
      ++ends;
    }
  }
  EXPECT_EQ(t.StateOf(run, 0), TaskState::kLeased);
  EXPECT_LE(ends, 60 + 50 + 2) << "the bound, then one end for each slot";
  EXPECT_EQ(t.PoolUsed("p"), 50);
  t.EndTask(run, 0);
  EXPECT_EQ(t.PoolUsed("p"), 50) << "the small ones go on";
}

TEST(AdmissionTest, AShrunkPoolGivesOutNothingUntilItHasRoom) {
  DomainFixture t;
  t.AddPool("p", 4);
  const DagId dag = t.LoadWith(MakeWideDag(10, InPool("p")), 100);
  const RunId run = t.Create(dag);
  ASSERT_TRUE(t.Do(SetPool{{"p", 2, ""}}).status.ok());
  for (int i = 0; i < 2; ++i) EXPECT_THAT(t.EndTask(run, i).assigns, IsEmpty());
  EXPECT_THAT(t.EndTask(run, 2).assigns, SizeIs(1));
  ASSERT_TRUE(t.Do(SetPool{{"p", 5, ""}}).status.ok());
  EXPECT_THAT(t.last.assigns, SizeIs(3)) << "a larger one is used at once";
}

// ---- Workers ----

TEST(AdmissionTest, OnlyAWorkerThatServesQueueLabelsAndResourcesIsGivenWork) {
  DomainFixture t;
  const DagId dag = t.AddDag(MakeDag({MakeTask("a", {}, [](dag::TaskSettings& s) {
    s.queue = "gpu";
    s.labels["zone"] = "eu";
    s.resources.memory_bytes = 100;
    s.resources.custom["gpu"] = 1;
  })}));
  t.Load();
  const RunId run = t.Create(dag);
  SessionInfo info = t.Info(1);
  const auto offered = [&] { return t.Hello(info, 1).assigns.size(); };
  EXPECT_EQ(offered(), 0u);
  EXPECT_EQ(t.ReasonOf(run, 0), Reason::kNoWorker);
  info.queues = {"gpu"};
  EXPECT_EQ(offered(), 0u);
  EXPECT_EQ(t.ReasonOf(run, 0), Reason::kNoMatchingWorker);
  info.labels["zone"] = "us";
  EXPECT_EQ(offered(), 0u);
  info.labels["zone"] = "eu";
  EXPECT_EQ(offered(), 0u) << "a resource of its own kind has to be declared";
  info.custom_resources["gpu"] = 1;
  info.memory_bytes = 99;
  EXPECT_EQ(offered(), 0u);
  info.memory_bytes = 100;
  EXPECT_EQ(offered(), 1u);
}

TEST(AdmissionTest, ALargeTaskGetsAWorkerToItselfOnceItHasWaited) {
  DomainFixture t;
  const auto memory = [](int64_t bytes) {
    return [bytes](dag::TaskSettings& s) { s.resources.memory_bytes = bytes; };
  };
  const DagId small = t.AddDag(MakeWideDag(1000, memory(10)));
  const DagId large = t.AddDag(MakeDag({MakeTask("big", {}, memory(100))}));
  t.Load();
  SessionInfo info = t.Info(1);
  info.memory_bytes = 100;
  t.Hello(info, 100'000);
  t.Create(small);
  ASSERT_THAT(t.held, SizeIs(10));
  const RunId run = t.Create(large);
  for (int second = 0; second < 200 && t.StateOf(run, 0) == TaskState::kReady; ++second) {
    t.Advance(absl::Seconds(1));
    if (!t.held.empty()) t.End(AttemptRef(t.held.begin()->first));
  }
  EXPECT_EQ(t.StateOf(run, 0), TaskState::kLeased);
  EXPECT_THAT(t.held, SizeIs(1));
}

TEST(AdmissionTest, ADrainingOrUnboundWorkerIsGivenNothing) {
  DomainFixture t;
  const DagId dag = t.LoadWith(MakeWideDag(2), 5);
  t.Apply(SessionDraining{SessionId(1)});
  t.Worker(2, 5);
  t.Apply(BindingClosed{SessionId(2), t.binding.at(SessionId(2))});
  t.Create(dag);
  EXPECT_THAT(t.held, IsEmpty());
}

// ---- Limits of DAGs and runs ----

TEST(AdmissionTest, MaxActiveTasksLimitsOneRun) {
  DomainFixture t;
  dag::DagSpec spec = MakeWideDag(10);
  spec.max_active_tasks = 3;
  const DagId dag = t.LoadWith(std::move(spec), 100);
  const RunId run = t.Create(dag);
  const RunId other = t.Create(dag);
  EXPECT_EQ(t.HeldOf(run), 3);
  EXPECT_EQ(t.HeldOf(other), 3);
  EXPECT_EQ(t.ReasonOf(run, 9), Reason::kMaxActiveTasks);
  EXPECT_THAT(t.EndTask(run, 0).assigns, SizeIs(1));
}

TEST(AdmissionTest, MaxActiveRunsQueuesTheOthersInTheirOrder) {
  DomainFixture t;
  dag::DagSpec spec = MakeDag({MakeTask("a")});
  spec.max_active_runs = 2;
  const DagId dag = t.LoadWith(std::move(spec), 100);
  std::vector<RunId> runs(4);
  for (RunId& run : runs) run = t.Create(dag);
  EXPECT_THAT(t.held, SizeIs(2));
  EXPECT_EQ(t.ReasonOf(runs[2], 0), Reason::kRunQueued);
  t.EndTask(runs[1], 0);
  EXPECT_EQ(t.StateOf(runs[2], 0), TaskState::kLeased);
  EXPECT_EQ(t.ReasonOf(runs[3], 0), Reason::kRunQueued);
  t.Do(CancelRun{runs[3]});
  EXPECT_EQ(t.EndOf(runs[3]), RunState::kCancelled);
}

}  // namespace
}  // namespace penstock::core
