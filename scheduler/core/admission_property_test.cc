// Random workloads: no limit is ever exceeded, nothing that fits is left waiting, all ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "scheduler/core/domain_fixture.h"

namespace penstock::core {
namespace {

class Walk {
 public:
  explicit Walk(uint64_t seed) : random_(seed) {
    t_.AddNamespace(2, 1 + static_cast<int>(random_.Below(4)));
    t_.AddPool("p", static_cast<int>(slots_["p"] = 3));
    t_.AddPool("q", static_cast<int>(slots_["q"] = 6));
    t_.options.max_rows = 1 + random_.Below(30);
    for (int i = 0; i < 4; ++i) dags_.push_back(t_.AddDag(RandomDag(), 1 + i % 2));
    t_.Load();
    for (int64_t id = 1; id <= 3; ++id) Hello(id);
  }

  void Step() {
    switch (random_.Below(10)) {
      case 0:
      case 1:
        if (runs_.size() < 30) runs_.push_back(t_.Create(dags_[random_.Below(dags_.size())]));
        break;
      case 2:
        t_.Grant(Worker(), static_cast<int>(1 + random_.Below(4)));
        break;
      case 3:
        t_.Advance(absl::Milliseconds(random_.Below(4000)));
        break;
      case 4:
        if (random_.OneIn(4)) Hello(Worker());
        break;
      case 5:
        if (random_.OneIn(6)) Cancel();
        break;
      case 6:
        if (random_.OneIn(4)) Pause();
        break;
      default:
        EndOne();
    }
    t_.Settle();
    Check();
  }

  void Finish() {
    for (const DagId dag : dags_) t_.Do(SetDagPaused{dag, false});
    for (int i = 0; i < 5000 && !AllEnded(); ++i) {
      t_.Advance(absl::Seconds(2));
      for (int64_t id = 1; id <= 3; ++id) t_.Grant(id, 5);
      while (!t_.held.empty()) EndOne();
      t_.Settle();
    }
    EXPECT_TRUE(AllEnded());
    EXPECT_EQ(t_.PoolUsed("p") + t_.PoolUsed("q"), 0);
    EXPECT_EQ(t_.domain->Stats().ready + t_.domain->Stats().live, 0);
  }

 private:
  dag::DagSpec RandomDag() {
    dag::DagSpec spec;
    const uint64_t count = 1 + random_.Below(12);
    for (uint64_t n = 0; n < count; ++n) {
      dag::TaskSpec task = MakeTask("t" + std::to_string(100 + n), {}, [&](auto& s) {
        if (random_.OneIn(2)) s.pool = random_.OneIn(2) ? "p" : "q";
        s.pool_slots = 1 + static_cast<int32_t>(random_.Below(3));
        if (random_.OneIn(2)) s.resources.memory_bytes = 1 + static_cast<int64_t>(random_.Below(8));
        s.retries.max = static_cast<int32_t>(random_.Below(3));
        s.retries.initial = absl::Milliseconds(random_.Below(3000));
      });
      for (uint32_t up = 0; up < n; ++up) {
        if (random_.OneIn(4)) task.needs.push_back(up);
      }
      task.priority = static_cast<int32_t>(random_.Below(4));
      task.trigger_rule = static_cast<dag::TriggerRule>(random_.Below(dag::kTriggerRuleCount));
      spec.tasks.push_back(std::move(task));
    }
    spec.max_active_runs = 1 + static_cast<int>(random_.Below(5));
    spec.max_active_tasks = static_cast<int>(random_.Below(5));
    return spec;
  }

  int64_t Worker() { return 1 + static_cast<int64_t>(random_.Below(3)); }
  void Hello(int64_t id) {
    SessionInfo info = t_.Info(id);
    info.memory_bytes = 8;
    t_.Hello(info, static_cast<int>(random_.Below(5)));
  }
  void Cancel() {
    if (!runs_.empty()) t_.Do(CancelRun{runs_[random_.Below(runs_.size())]});
  }
  void Pause() { t_.Do(SetDagPaused{dags_[random_.Below(dags_.size())], random_.OneIn(2)}); }
  void EndOne() {
    if (t_.held.empty()) return;
    auto it = t_.held.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_.Below(t_.held.size())));
    static constexpr Outcome kOutcomes[] = {Outcome::kSuccess, Outcome::kSuccess, Outcome::kFailed,
                                            Outcome::kSkipped, Outcome::kFailedNoRetry};
    t_.End(AttemptRef(it->first), kOutcomes[random_.Below(5)]);
  }
  bool AllEnded() const {
    return std::all_of(runs_.begin(), runs_.end(),
                       [&](RunId run) { return t_.ended.contains(run); });
  }

  void Check() {
    for (const auto& [pool, slots] : slots_) EXPECT_LE(t_.PoolUsed(pool), slots);
    std::map<SessionId, int64_t> memory;
    for (const auto& [ref, session] : t_.held) {
      const DagId dag = DagOf(ref.key.run);
      const auto& topology = *t_.versions.at(VersionId(dag.value()));
      memory[session] +=
          topology.spec(static_cast<uint32_t>(ref.key.task)).settings->resources.memory_bytes;
    }
    for (const auto& [session, bytes] : memory) EXPECT_LE(bytes, 8);
    for (const SessionView& session : t_.domain->Sessions()) EXPECT_GE(session.credits, 0);
    for (const RunId run : runs_) CheckRun(run);
  }
  // What is ready stands in line for a reason.
  void CheckRun(RunId run) {
    const auto view = t_.domain->ViewRun(run);
    if (!view) return;
    const auto& topology = *t_.versions.at(view->row.version);
    const int limit = topology.dag().max_active_tasks;
    EXPECT_TRUE(limit == 0 || t_.HeldOf(run) <= limit);
    for (int task = 0; task < view->task_count; ++task) {
      const Explanation e = t_.domain->Explain({run, task, -1});
      if (e.state == TaskState::kReady) {
        EXPECT_NE(e.reason, Reason::kInLine) << "task " << task << ": " << e.sentence;
      }
    }
  }
  DagId DagOf(RunId run) const { return t_.domain->ViewRun(run)->row.dag; }

  SplitMix64 random_;
  DomainFixture t_;
  std::map<std::string, int32_t> slots_;
  std::vector<DagId> dags_;
  std::vector<RunId> runs_;
};

TEST(AdmissionPropertyTest, NoLimitIsExceededNothingThatFitsWaitsAndAllEnds) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Walk walk(seed);
    for (int i = 0; i < 120 && !::testing::Test::HasFailure(); ++i) walk.Step();
    if (!::testing::Test::HasFailure()) walk.Finish();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace penstock::core
