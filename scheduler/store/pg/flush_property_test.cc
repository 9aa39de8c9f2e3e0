// Random batches: what a load reads is what the batches said, and a stale one changes nothing.
#include <map>

#include "common/base/random.h"
#include "gmock/gmock.h"
#include "scheduler/store/pg/pg_test_base.h"

namespace penstock::pg {
namespace {

using core::FlushBatch;
using core::RunState;
using core::TaskKey;
using core::TaskRow;
using core::TaskState;

// What the database should hold, and random steps from there.
class Expectation {
 public:
  Expectation(uint64_t seed, core::DagRow dag) : random_(seed), dag_(std::move(dag)) {}

  // A batch that has to be accepted, already taken into account.
  FlushBatch NextBatch(Owner& owner) {
    FlushBatch batch;
    for (uint64_t i = random_.Below(3); i > 0; --i) AddRun(owner, &batch);
    if (random_.OneIn(2)) AddSession(owner.epoch, &batch);
    std::vector<TaskKey> keys;
    for (const auto& [key, row] : tasks) keys.push_back(key);
    for (const TaskKey& key : keys) {
      if (IsLive(tasks[key].state) && random_.OneIn(2)) Complete(key, &batch);
    }
    for (const TaskKey& key : keys) {
      if (!IsLive(tasks[key].state) && random_.OneIn(6)) Decide(key, &batch);
    }
    for (const auto& [id, run] : runs) DispatchSome(id, &batch);
    for (const TaskKey& key : keys) {
      if (tasks[key].state == TaskState::kLeased && random_.OneIn(4)) MarkStarted(key, &batch);
    }
    EndSomeRuns(&batch);
    return batch;
  }

  // One that has to be refused: a valid one with a stale row.
  FlushBatch StaleBatch(RunId run) {
    FlushBatch batch;
    const TaskKey key{run, static_cast<int32_t>(500 + random_.Below(100)), -1};
    switch (random_.Below(4)) {
      case 0:
        batch.completions.push_back(MakeSuccess(key, 1, sessions_.begin()->first));
        break;
      case 1:
        batch.decisions.push_back({key, TaskState::kSkipped, 3, 0, 0, core::Cause::kNone, 1});
        break;
      case 2:
        batch.dispatches.push_back(MakeDispatch(key, 2, SessionId(1)));
        break;
      default:
        batch.run_updates.push_back({RunId(run.value() + 100'000), RunState::kFailed,
                                     core::RunIntent::kNone, "", false, 0, 0, false});
    }
    return batch;
  }

  core::DomainFacts Facts(const core::DomainFacts& base) const {
    core::DomainFacts facts = base;
    facts.runs.clear();
    facts.tasks.clear();
    facts.sessions.clear();
    std::map<SessionId, bool> holders;
    for (const auto& [id, run] : runs) facts.runs.push_back(run);
    for (const auto& [key, row] : tasks) {
      facts.tasks.push_back(row);
      if (IsLive(row.state)) holders[row.session] = true;
    }
    for (const auto& [id, held] : holders) facts.sessions.push_back(sessions_.at(id));
    return facts;
  }

  std::map<RunId, core::RunRow> runs;  // live ones
  std::map<TaskKey, TaskRow> tasks;    // of them

 private:
  int64_t Number() { return static_cast<int64_t>(random_.Below(1'000'000'000'000)); }
  int32_t Small() { return static_cast<int32_t>(random_.Below(5)); }
  std::string Text() {
    std::string text;
    for (uint64_t i = random_.Below(6); i > 0; --i) {
      text +=
          std::vector<std::string>{"a", "\"", "\\", "{", ",", "NULL", " ", "ü"}[random_.Below(8)];
    }
    return text;
  }

  void AddRun(Owner& owner, FlushBatch* batch) {
    core::RunRow run = owner.NewRun(dag_, "");
    run.key = "key " + std::to_string(run.id.value());
    run.params_json = Text();
    run.note = Text();
    run.quarantined = random_.OneIn(3);
    run.created_us = Number();
    run.state = random_.OneIn(2) ? RunState::kRunning : RunState::kQueued;
    batch->new_runs.insert(batch->new_runs.begin(), run);  // not in the order of their ids
    runs[run.id] = run;
  }
  void AddSession(Epoch epoch, FlushBatch* batch) {
    core::SessionInfo info = MakeSession(1 + Small(), Text());
    info.slots = Small();
    batch->sessions.push_back(info);
    sessions_[info.id] = {info, epoch};
  }
  void Complete(const TaskKey& key, FlushBatch* batch) {
    TaskRow& row = tasks[key];
    constexpr TaskState kEnds[] = {TaskState::kSuccess, TaskState::kFailed, TaskState::kUpForRetry,
                                   TaskState::kWaiting};
    row.state = kEnds[random_.Below(4)];
    row.tries = Small();
    row.infra_tries = Small();
    row.started_us = Number();
    row.finished_us = Number();
    row.peak_rss_kib = row.cpu_ms = 0;
    if (random_.OneIn(2)) row.peak_rss_kib = Number();
    if (row.state != TaskState::kSuccess) {
      row.retry_at_us = row.state == TaskState::kUpForRetry ? Number() : 0;
      row.cause = static_cast<core::Cause>(random_.Below(14));
      row.exit_code = Small() - 2;
      row.signal = Small();
    }
    batch->completions.push_back({row});
    if (row.state == TaskState::kUpForRetry) batch->attempts.push_back({row, true, Text()});
    if (row.state == TaskState::kSuccess) {
      batch->outputs.push_back({key, row.attempt, "{" + Text(), Text()});
    }
  }
  void Decide(const TaskKey& key, FlushBatch* batch) {
    TaskRow& row = tasks[key];
    TaskRow next;
    next.key = key;
    next.session = row.session;
    next.attempt = row.attempt;
    next.state = random_.OneIn(2) ? TaskState::kWaiting : TaskState::kCancelled;
    next.tries = Small();
    next.infra_tries = Small();
    next.cause = static_cast<core::Cause>(random_.Below(14));
    next.finished_us = next.state == TaskState::kWaiting ? 0 : Number();
    row = next;
    batch->decisions.push_back(
        {key, row.state, row.attempt, row.tries, row.infra_tries, row.cause, row.finished_us});
  }
  void DispatchSome(RunId run, FlushBatch* batch) {
    if (sessions_.empty()) return;
    for (uint64_t i = random_.Below(5); i > 0; --i) {
      const TaskKey key{run, Small() * 7, Small() - 1};
      const auto it = tasks.find(key);
      if (it != tasks.end() && it->second.state != TaskState::kWaiting &&
          it->second.state != TaskState::kUpForRetry) {
        continue;
      }
      TaskRow row;
      row.key = key;
      row.state = TaskState::kLeased;
      row.attempt = it == tasks.end() ? 1 : it->second.attempt + 1;
      row.tries = Small();
      row.infra_tries = Small();
      row.session =
          std::next(sessions_.begin(), static_cast<int64_t>(random_.Below(sessions_.size())))
              ->first;
      const bool fresh = it == tasks.end() && random_.OneIn(2);
      batch->dispatches.push_back(
          {key, row.attempt, row.tries, row.infra_tries, row.session, false, fresh});
      tasks[key] = row;
    }
  }
  void MarkStarted(const TaskKey& key, FlushBatch* batch) {
    TaskRow& row = tasks[key];
    row.state = TaskState::kRunning;
    row.started_us = Number();
    batch->started.push_back({key, row.attempt, row.started_us});
  }
  void EndSomeRuns(FlushBatch* batch) {
    std::vector<RunId> ended;
    for (auto& [id, run] : runs) {
      if (!random_.OneIn(8)) continue;
      run.state = random_.OneIn(2) ? RunState::kSuccess : RunState::kRunning;
      run.intent = static_cast<core::RunIntent>(random_.Below(4));
      run.reason = Text();
      run.quarantined = random_.OneIn(2);
      run.started_us = Number();
      run.finished_us = Number();
      batch->run_updates.push_back({id, run.state, run.intent, run.reason, run.quarantined,
                                    run.started_us, run.finished_us, false});
      if (IsTerminal(run.state)) ended.push_back(id);
    }
    for (const RunId id : ended) {
      runs.erase(id);
      std::erase_if(tasks, [&](const auto& entry) { return entry.first.run == id; });
    }
  }

  SplitMix64 random_;
  const core::DagRow dag_;
  std::map<SessionId, core::SessionRow> sessions_;
};

class FlushPropertyTest : public PgTest, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(FlushPropertyTest, ALoadReadsWhatTheBatchesSaid) {
  const auto ns = NewNamespace("team");
  Owner owner(*database_, ns.domain);
  const core::DagRow dag = NewDag(ns, "d");
  FlushBatch first;
  first.dags.push_back({dag, false});
  owner.MustFlush(first);
  Expectation expected(GetParam(), dag);
  for (int i = 0; i < 60; ++i) {
    owner.MustFlush(expected.NextBatch(owner));
    if (HasFatalFailure()) return;
    if (i % 5 == 4 && !expected.runs.empty() && !expected.tasks.empty()) {
      EXPECT_EQ(owner.Flush(expected.StaleBatch(expected.runs.begin()->first)).verdict,
                store::FlushVerdict::kRejected);
    }
    if (i % 7 == 6) {
      const auto load = owner.Reload();
      ASSERT_EQ(ToLines(load.facts), ToLines(expected.Facts(load.facts))) << "step " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FlushPropertyTest, ::testing::Range(uint64_t{1}, uint64_t{5}));

}  // namespace
}  // namespace penstock::pg
