#include "scheduler/api/caches.h"

#include "scheduler/api/api_test_fakes.h"
#include "scheduler/api/delay_queue.h"
#include "scheduler/api/inbox_command.h"
#include "scheduler/api/liveness.h"

namespace penstock::api {
namespace {

using ::penstock::testing::FakeClock;
using ::penstock::testing::IsOk;
using ::penstock::testing::StatusIs;
using testing::FakeCatalog;
using ::testing::HasSubstr;

class CachesTest : public ::testing::Test {
 protected:
  VersionId PutVersion(int tasks) {
    std::string yaml = "dag: d\nparams: {n: {type: integer, required: true}}\ntasks:\n";
    for (int i = 0; i < tasks; ++i) yaml += "  t" + std::to_string(i) + ": {sh: x}\n";
    const auto parsed = dag::ParseDag(yaml);
    EXPECT_TRUE(parsed.dag.has_value());
    return catalog_
        .PutVersion(NamespaceId(1), "d", "hash", dag::CanonicalJson(*parsed.dag), "", tasks)
        ->id;
  }
  void PutDag(VersionId version) {
    core::DagRow row;
    row.id = DagId(1);
    row.ns = NamespaceId(1);
    row.name = "d";
    row.version = version;
    catalog_.PutDag(row);
  }

  FakeClock clock_;
  FakeCatalog catalog_;
};

TEST_F(CachesTest, ADagIsReadOnceUntilItsTimeIsOverOrItIsForgotten) {
  PutDag(PutVersion(1));
  DagCache cache(catalog_, clock_, absl::Seconds(1));
  ASSERT_THAT(cache.Find(NamespaceId(1), "d", Epoch(1)), IsOk());
  ASSERT_THAT(cache.Find(NamespaceId(1), "d", Epoch(1)), IsOk());
  EXPECT_EQ(catalog_.reads("FindDag"), 1);
  ASSERT_THAT(cache.Find(NamespaceId(1), "d", Epoch(2)), IsOk());
  EXPECT_EQ(catalog_.reads("FindDag"), 2);
  cache.Forget(NamespaceId(1), "d");
  ASSERT_THAT(cache.Find(NamespaceId(1), "d", Epoch(2)), IsOk());
  EXPECT_EQ(catalog_.reads("FindDag"), 3);
  clock_.Advance(absl::Seconds(2));
  ASSERT_THAT(cache.Find(NamespaceId(1), "d", Epoch(2)), IsOk());
  EXPECT_EQ(catalog_.reads("FindDag"), 4);
}

TEST_F(CachesTest, UnknownDagsAndNamespacesAreNamed) {
  DagCache dags(catalog_, clock_, absl::Seconds(1));
  EXPECT_THAT(dags.Find(NamespaceId(1), "nope", Epoch(1)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"nope\"")));
  NamespaceCache namespaces(catalog_);
  EXPECT_THAT(namespaces.Find("x"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"x\"")));
  ASSERT_THAT(namespaces.Find("default"), IsOk());
  ASSERT_THAT(namespaces.Find("default"), IsOk());
  EXPECT_EQ(catalog_.reads("FindNamespace"), 2);
}

TEST_F(CachesTest, VersionsUsedLastStayAsFarAsTheirTasksFit) {
  const VersionId a = PutVersion(50), b = PutVersion(50), c = PutVersion(50);
  VersionCache cache(catalog_, 320);  // two versions of 50 tasks, each counted as 150
  ASSERT_THAT(cache.Get(a), IsOk());
  ASSERT_THAT(cache.Get(b), IsOk());
  ASSERT_THAT(cache.Get(a), IsOk());
  EXPECT_EQ(catalog_.reads("GetVersion"), 2);
  ASSERT_THAT(cache.Get(c), IsOk());  // b goes
  ASSERT_THAT(cache.Get(a), IsOk());
  EXPECT_EQ(catalog_.reads("GetVersion"), 3);
  ASSERT_THAT(cache.Get(b), IsOk());
  EXPECT_EQ(catalog_.reads("GetVersion"), 4);
  EXPECT_EQ((*cache.Get(b))->topology->task_count(), 50u);
}

TEST_F(CachesTest, InboxRowsBecomeCommands) {
  PutDag(PutVersion(1));
  NamespaceCache namespaces(catalog_);
  VersionCache versions(catalog_, 1000);
  InboxCommands inbox(catalog_, namespaces, versions, RealClock());
  const auto command = inbox.Decode(
      {1, "CreateRun", R"({"namespace":"default","dag":"d","paramsJson":"{\"n\": 3}"})"});
  ASSERT_THAT(command, IsOk());
  const auto& create = std::get<core::CreateRuns>(*command);
  ASSERT_EQ(create.runs.size(), 1u);
  EXPECT_EQ(create.runs[0].params_json, R"({"n":3})");
}

TEST_F(CachesTest, InboxRowsThatCanNeverBeAppliedSaySo) {
  PutDag(PutVersion(1));
  NamespaceCache namespaces(catalog_);
  VersionCache versions(catalog_, 1000);
  InboxCommands inbox(catalog_, namespaces, versions, RealClock());
  const auto code = [&](const char* method, const char* json) {
    return inbox.Decode({1, method, json}).status().code();
  };
  EXPECT_EQ(code("CreateRun", "{"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("CreateRun", R"({"dag":"d"})"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("CreateRun", R"({"dag":"x"})"), absl::StatusCode::kNotFound);
  EXPECT_EQ(code("FormatDisk", "{}"), absl::StatusCode::kUnimplemented);
  core::RunRow run;
  run.id = RunId(9);
  run.dag = DagId(1);
  run.idempotency_key = "once";
  catalog_.PutRun(run);
  EXPECT_EQ(code("CreateRun", R"({"dag":"d","idempotencyKey":"once","paramsJson":"{\"n\": 3}"})"),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(CachesTest, DelayedFunctionsRunWhenTheirTimeHasCome) {
  DelayQueue queue(clock_);
  std::vector<int> order;
  queue.After(absl::Seconds(2), [&] { order.push_back(2); });
  queue.After(absl::Seconds(1), [&] { order.push_back(1); });
  EXPECT_EQ(queue.RunDue(), absl::Seconds(1));
  clock_.Advance(absl::Seconds(3));
  queue.RunDue();
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2));
  queue.Stop();
  queue.After(absl::ZeroDuration(), [&] { order.push_back(3); });
  queue.RunDue();
  EXPECT_EQ(order.size(), 2u);
}

TEST_F(CachesTest, ASchedulerThatStopsBeatingIsShownDead) {
  Liveness liveness(clock_, absl::Seconds(5));
  store::FleetView view;
  view.schedulers.resize(2);
  view.schedulers[0].id = SchedulerId(1);
  view.schedulers[1].id = SchedulerId(2);
  liveness.Observe(view);
  clock_.Advance(absl::Seconds(4));
  view.schedulers[0].beat = 1;
  liveness.Observe(view);
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(liveness.IsAlive(SchedulerId(1)));
  EXPECT_FALSE(liveness.IsAlive(SchedulerId(2)));
  EXPECT_FALSE(liveness.IsAlive(SchedulerId(3)));
}

}  // namespace
}  // namespace penstock::api
