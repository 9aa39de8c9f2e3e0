// The flush: what it writes, and what it refuses.
#include "gmock/gmock.h"
#include "scheduler/store/pg/pg_test_base.h"

namespace penstock::pg {
namespace {

using core::FlushBatch;
using core::RunState;
using core::TaskState;
using store::FlushVerdict;
using ::testing::HasSubstr;

constexpr SessionId kSession(41);

class FlushTest : public PgTest {
 protected:
  FlushTest() : ns_(NewNamespace("team")), owner_(*database_, ns_.domain), dag_(NewDag(ns_, "d")) {
    FlushBatch batch;
    batch.dags.push_back({dag_, false});
    batch.sessions.push_back(MakeSession(kSession.value(), "w1"));
    owner_.MustFlush(batch);
  }

  core::RunRow StartRun(const std::string& key) {
    FlushBatch batch;
    batch.new_runs.push_back(owner_.NewRun(dag_, key));
    owner_.MustFlush(batch);
    return batch.new_runs[0];
  }
  void Dispatch(core::TaskKey key, int attempt) {
    FlushBatch batch;
    batch.dispatches.push_back(MakeDispatch(key, attempt, kSession));
    owner_.MustFlush(batch);
  }
  core::TaskRow Row(core::TaskKey key) { return catalog_.GetTask(key)->value().row; }
  // Rejected with `text`, nothing written, and the next flush works.
  void ExpectRejected(FlushBatch batch, const std::string& text) {
    batch.audit.push_back({"must", "not", "stay", 1});
    const auto result = owner_.Flush(batch);
    EXPECT_EQ(result.verdict, FlushVerdict::kRejected) << result.status;
    EXPECT_THAT(std::string(result.status.message()), HasSubstr(text));
    culprit_ = result.culprit;
    EXPECT_EQ(SqlInt("select count(*) from penstock.audit_log where action = 'must'"), 0);
    owner_.MustFlush(FlushBatch());
  }

  const store::NamespaceRecord ns_;
  Owner owner_;
  const core::DagRow dag_;
  RunId culprit_;
};

TEST_F(FlushTest, WritesEverySectionAndLoadsItBack) {
  FlushBatch first;
  core::RunRow run = owner_.NewRun(dag_, "r1");
  run.idempotency_key = "once";
  run.logical_date_us = 1'700'000'000'000'000;
  run.params_json = R"({"a":1})";
  run.note = "note";
  run.started_us = 5;
  first.new_runs = {run, owner_.NewRun(dag_, "r2")};
  first.pools = {{{"etl", 3, "three"}, false}, {{"gone", 1, ""}, false}};
  for (int task = 0; task < 4; ++task) {
    first.dispatches.push_back(MakeDispatch({run.id, task, -1}, 1, kSession));
  }
  first.decisions.push_back(
      {{run.id, 7, 2}, TaskState::kSkipped, 0, 0, 0, core::Cause::kSkipRequested, 9});
  first.audit.push_back({"run.create", "d/r1", "someone", 12});
  owner_.MustFlush(first);

  FlushBatch second;
  second.pools = {{{"gone", 0, ""}, true}};
  second.completions.push_back(MakeSuccess({run.id, 0, -1}, 1, kSession));
  core::Completion failed = MakeSuccess({run.id, 1, -1}, 1, kSession);
  failed.row.state = TaskState::kUpForRetry;
  failed.row.infra_tries = 2;
  failed.row.retry_at_us = 99;
  failed.row.cause = core::Cause::kSignal;
  failed.row.exit_code = -1;
  failed.row.signal = 9;
  failed.row.peak_rss_kib = 1234;
  failed.row.cpu_ms = 56;
  second.completions.push_back(failed);
  second.attempts.push_back({failed.row, true, "killed"});
  second.outputs.push_back({{run.id, 0, -1}, 1, R"({"rows":3})", ""});
  second.started.push_back({{run.id, 2, -1}, 1, 1'234});
  second.run_updates.push_back(
      {run.id, RunState::kRunning, core::RunIntent::kCancel, "why", true, 6, 0, false});
  second.made_progress = true;
  owner_.MustFlush(second);

  owner_.Reload();
  EXPECT_EQ(owner_.facts.loads_without_progress, 0);
  ASSERT_EQ(owner_.facts.runs.size(), 2U);
  run.intent = core::RunIntent::kCancel;
  run.reason = "why";
  run.quarantined = true;
  run.started_us = 6;
  EXPECT_EQ(ToText(owner_.facts.runs[0]), ToText(run));
  ASSERT_EQ(owner_.facts.pools.size(), 1U);
  EXPECT_EQ(owner_.facts.pools[0].description, "three");
  ASSERT_EQ(owner_.facts.tasks.size(), 5U);
  EXPECT_EQ(ToText(owner_.facts.tasks[0]), ToText(second.completions[0].row));
  EXPECT_EQ(ToText(owner_.facts.tasks[1]), ToText(failed.row));
  EXPECT_EQ(owner_.facts.tasks[2].state, TaskState::kRunning);
  EXPECT_EQ(owner_.facts.tasks[2].started_us, 1'234);
  EXPECT_EQ(owner_.facts.tasks[3].state, TaskState::kLeased);
  EXPECT_EQ(owner_.facts.tasks[4].cause, core::Cause::kSkipRequested);
  ASSERT_EQ(owner_.facts.sessions.size(), 1U);
  EXPECT_EQ(ToText(owner_.facts.sessions[0]),
            ToText(core::SessionRow{MakeSession(kSession.value(), "w1"), owner_.epoch}));
  EXPECT_EQ(*catalog_.GetOutput({run.id, 0, -1}), R"({"rows":3})");
  EXPECT_EQ(SqlInt("select at_us from penstock.audit_log"), 12);
}

TEST_F(FlushTest, AnAttemptThatEndedCanBeFollowedInTheSameFlush) {
  const core::TaskKey key{StartRun("r").id, 3, 0};
  Dispatch(key, 1);
  FlushBatch batch;
  core::Completion lost = MakeSuccess(key, 1, kSession);
  lost.row.state = TaskState::kWaiting;
  lost.row.cause = core::Cause::kWorkerLost;
  batch.completions.push_back(lost);
  batch.dispatches.push_back(MakeDispatch(key, 2, SessionId(42)));
  owner_.MustFlush(batch);
  const core::TaskRow row = Row(key);
  EXPECT_EQ(row.attempt, 2);
  EXPECT_EQ(row.session, SessionId(42));
  EXPECT_EQ(row.cause, core::Cause::kNone);
  EXPECT_EQ(row.finished_us, 0);
}

TEST_F(FlushTest, TheFirstAttemptOfANewLifeLeaps) {
  const RunId run = StartRun("r").id;
  const core::TaskKey known{run, 0, -1}, unknown{run, 1, -1};
  Dispatch(known, 1);
  FlushBatch batch;
  core::Completion lost = MakeSuccess(known, 1, kSession);
  lost.row.state = TaskState::kWaiting;
  batch.completions.push_back(lost);
  batch.dispatches.push_back(MakeDispatch(known, 5001, kSession));
  EXPECT_EQ(owner_.Flush(batch).verdict, store::FlushVerdict::kRejected);
  batch.dispatches[0].leap = true;
  batch.dispatches.push_back(MakeDispatch(unknown, 5001, kSession));
  batch.dispatches[1].leap = true;
  owner_.MustFlush(batch);
  EXPECT_EQ(Row(known).attempt, 5001);
  EXPECT_EQ(Row(unknown).attempt, 5001);
}

TEST_F(FlushTest, StaleCompletionRejectsTheWholeFlush) {
  const RunId run = StartRun("r").id;
  Dispatch({run, 0, -1}, 1);
  FlushBatch batch;
  batch.completions.push_back(MakeSuccess({run, 0, -1}, 1, kSession));
  batch.completions.push_back(MakeSuccess({run, 1, -1}, 1, kSession));
  ExpectRejected(batch, "stale completion");
  EXPECT_EQ(culprit_, run);
  EXPECT_EQ(Row({run, 0, -1}).state, TaskState::kLeased);

  batch.completions[1] = MakeSuccess({run, 0, -1}, 2, kSession);
  batch.completions.erase(batch.completions.begin());
  ExpectRejected(batch, "is at attempt 1, state 2");

  batch.completions[0] = MakeSuccess({run, 0, -1}, 1, kSession);
  owner_.MustFlush(batch);
  ExpectRejected(batch, "is at attempt 1, state 4");
}

TEST_F(FlushTest, StaleDispatchRejectsTheWholeFlush) {
  const RunId run = StartRun("r").id;
  FlushBatch batch;
  batch.dispatches.push_back(MakeDispatch({run, 0, -1}, 1, kSession));
  batch.dispatches.push_back(MakeDispatch({run, 1, -1}, 2, kSession));
  ExpectRejected(batch, "does not exist");
  EXPECT_EQ(SqlInt("select count(*) from penstock.task_instance"), 0);
  Dispatch({run, 0, -1}, 1);
  batch.dispatches.resize(1);
  ExpectRejected(batch, "stale dispatch");
  batch.dispatches[0].attempt = 2;  // still leased
  ExpectRejected(batch, "stale dispatch");
}

TEST_F(FlushTest, AFreshDispatchInsertsBesideOthersAndNeverMeetsARow) {
  const RunId run = StartRun("r").id;
  FlushBatch batch;
  batch.decisions.push_back({{run, 0, -1}, TaskState::kWaiting, 0, 0, 0, core::Cause::kNone, 0});
  batch.dispatches.push_back(MakeDispatch({run, 0, -1}, 1, kSession));
  batch.dispatches.push_back(MakeDispatch({run, 1, -1}, 1, kSession));
  batch.dispatches.push_back(MakeDispatch({run, 2, -1}, 5001, kSession));
  batch.dispatches[1].fresh = true;
  batch.dispatches[2].fresh = batch.dispatches[2].leap = true;
  owner_.MustFlush(batch);
  EXPECT_EQ(Row({run, 0, -1}).attempt, 1);
  EXPECT_EQ(Row({run, 1, -1}).attempt, 1);
  EXPECT_EQ(Row({run, 2, -1}).attempt, 5001);
  EXPECT_EQ(Row({run, 2, -1}).session, kSession);

  batch = {};
  batch.dispatches.push_back(MakeDispatch({run, 3, -1}, 1, kSession));
  batch.dispatches.push_back(MakeDispatch({run, 1, -1}, 2, kSession));
  batch.dispatches[0].fresh = batch.dispatches[1].fresh = true;
  ExpectRejected(batch, "stale dispatch");
  EXPECT_EQ(culprit_, run);
  EXPECT_EQ(Row({run, 1, -1}).attempt, 1);
}

// Its line is nothing but zeros.
TEST_F(FlushTest, TheFirstTaskIsClearedAlone) {
  const RunId run = StartRun("r").id;
  FlushBatch batch;
  batch.decisions.push_back({{run, 0, -1}, TaskState::kWaiting, 0, 0, 0, core::Cause::kNone, 0});
  owner_.MustFlush(batch);
  EXPECT_EQ(Row({run, 0, -1}).state, TaskState::kWaiting);
}

TEST_F(FlushTest, ListsTheRunsThatLive) {
  const auto live = [&] {
    return SqlInt(
        "select count(*) from penstock.live_run l join penstock.run r "
        "on r.id = l.run_id and r.domain_id = l.domain_id");
  };
  const core::RunRow run = StartRun("r");
  EXPECT_EQ(live(), 1);
  FlushBatch batch;
  batch.run_updates.push_back(
      {run.id, core::RunState::kSuccess, core::RunIntent::kNone, "", false, 1, 2, false});
  owner_.MustFlush(batch);
  EXPECT_EQ(live(), 0);
  EXPECT_THAT(owner_.Reload().facts.runs, ::testing::IsEmpty());
  batch.run_updates[0].state = core::RunState::kRunning;  // a user takes it up again
  batch.run_updates[0].by_user = true;
  owner_.MustFlush(batch);
  owner_.MustFlush(batch);
  EXPECT_EQ(live(), 1);
  EXPECT_THAT(owner_.Reload().facts.runs, ::testing::SizeIs(1));
}

TEST_F(FlushTest, StaleDecisionRejectsTheWholeFlush) {
  const RunId run = StartRun("r").id;
  Dispatch({run, 0, -1}, 1);
  FlushBatch batch;
  batch.decisions.push_back({{run, 0, -1}, TaskState::kSkipped, 1, 0, 0, core::Cause::kNone, 1});
  ExpectRejected(batch, "stale decision");  // live
  batch.decisions[0].key.task = 1;
  ExpectRejected(batch, "does not exist");
  batch.decisions[0].attempt = 0;
  owner_.MustFlush(batch);
  owner_.MustFlush(batch);  // the same again: attempt 0, not live
}

TEST_F(FlushTest, StartOfAnAttemptThatEndedIsIgnored) {
  const RunId run = StartRun("r").id;
  Dispatch({run, 0, -1}, 1);
  FlushBatch batch;
  batch.completions.push_back(MakeSuccess({run, 0, -1}, 1, kSession));
  batch.started.push_back({{run, 0, -1}, 1, 7});
  owner_.MustFlush(batch);
  EXPECT_EQ(Row({run, 0, -1}).state, TaskState::kSuccess);
  FlushBatch ghost;
  const RunId other = StartRun("other").id;
  ghost.started.push_back({{run, 0, -1}, 1, 7});  // has ended: ignored
  ghost.started.push_back({{other, 5, -1}, 1, 7});
  ExpectRejected(ghost, "stale start");
  EXPECT_EQ(culprit_, other);
}

TEST_F(FlushTest, StaleRunUpdateRejectsTheWholeFlush) {
  const RunId run = StartRun("r").id;
  FlushBatch batch;
  core::RunUpdate done{run, RunState::kSuccess, core::RunIntent::kNone, "", false, 1, 2, false};
  batch.run_updates = {done};
  owner_.MustFlush(batch);
  ExpectRejected(batch, "it is in state 2");
  EXPECT_EQ(culprit_, run);
  batch.run_updates[0].by_user = true;
  batch.run_updates[0].state = RunState::kRunning;
  owner_.MustFlush(batch);
  batch.run_updates[0].run = RunId(run.value() + 500);
  ExpectRejected(batch, "does not exist");
  // Another domain's run is none of ours.
  const auto other = NewNamespace("other");
  Owner stranger(*database_, other.domain);
  batch.run_updates[0].run = run;
  EXPECT_EQ(stranger.Flush(batch).verdict, FlushVerdict::kRejected);
}

TEST_F(FlushTest, TakenKeysAreNamedByTheirConstraint) {
  FlushBatch batch;
  core::RunRow run = owner_.NewRun(dag_, "key");
  run.idempotency_key = "idem";
  run.logical_date_us = 10;
  batch.new_runs = {run};
  owner_.MustFlush(batch);
  core::RunRow fresh = owner_.NewRun(dag_, "fresh");
  core::RunRow again = owner_.NewRun(dag_, "key");
  batch.new_runs = {fresh, again};
  ExpectRejected(batch, "run_key_key");
  EXPECT_EQ(culprit_, again.id);
  batch.new_runs[1].key = "key2";
  batch.new_runs[1].idempotency_key = "idem";
  ExpectRejected(batch, "run_idempotency_key");
  EXPECT_EQ(culprit_, again.id);
  batch.new_runs[1].idempotency_key = "";
  batch.new_runs[1].logical_date_us = 10;
  ExpectRejected(batch, "run_logical_date_key");
  EXPECT_EQ(culprit_, again.id);
  batch.new_runs[1].logical_date_us = 0;
  batch.new_runs[1].key = "fresh";
  ExpectRejected(batch, "run_key_key");
  EXPECT_EQ(culprit_, again.id);
}

TEST_F(FlushTest, ADagsNameIsFreeOnceItIsDeleted) {
  FlushBatch batch;
  core::DagRow second = dag_;
  second.id = *catalog_.NewDagId();
  batch.dags.push_back({second, false});
  ExpectRejected(batch, "dag_name_key");
  batch.dags.insert(batch.dags.begin(), {dag_, true});
  owner_.MustFlush(batch);
  EXPECT_EQ(catalog_.FindDag(ns_.id, dag_.name)->row.id, second.id);
}

TEST_F(FlushTest, ConsumesTheInboxOnce) {
  Sql("select penstock.trigger_dag('team', 'd', '{\"x\": 1}', 'key', 'idem')");
  Sql("select penstock.trigger_dag('team', 'd')");
  const auto inbox = catalog_.ReadInbox(ns_.domain, 10);
  ASSERT_EQ(inbox->size(), 2U);
  EXPECT_EQ((*inbox)[0].method, "CreateRun");
  EXPECT_EQ((*inbox)[0].payload_json,
            R"({"dag": "d", "runKey": "key", "namespace": "team", "paramsJson": "{\"x\": 1}", )"
            R"("idempotencyKey": "idem"})");
  EXPECT_EQ((*inbox)[1].payload_json, R"({"dag": "d", "namespace": "team", "paramsJson": "{}"})");
  FlushBatch batch;
  batch.inbox_done = {(*inbox)[0].id};
  owner_.MustFlush(batch);
  EXPECT_EQ(catalog_.ReadInbox(ns_.domain, 10)->size(), 1U);
  ExpectRejected(batch, "stale inbox");
  EXPECT_THROW(Sql("select penstock.trigger_dag('nobody', 'd')"), pqxx::sql_error);
}

TEST_F(FlushTest, WeirdTextsSurviveInEveryColumn) {
  const std::string weird = "q\"' \\ \\\" {a,NULL,b} \n\t\x01 $1 %s \xF0\x9F\x90\xAB NULL";
  FlushBatch batch;
  core::RunRow run = owner_.NewRun(dag_, weird);
  run.idempotency_key = run.params_json = run.note = run.reason = weird;
  batch.new_runs = {run};
  batch.pools = {{{weird, 1, weird}, false}};
  core::DagRow dag = dag_;
  dag.name = weird;
  batch.dags = {{dag, false}};
  core::SessionInfo session = MakeSession(kSession.value(), weird);
  session.group = session.version = weird;
  session.queues = {weird, "", "NULL"};
  session.labels = {{weird, weird}};
  session.custom_resources = {{weird, 5}};
  batch.sessions = {session};
  batch.dispatches.push_back(MakeDispatch({run.id, 0, -1}, 1, kSession));
  batch.attempts.push_back({MakeSuccess({run.id, 0, -1}, 7, kSession).row, false, weird});
  batch.outputs.push_back({{run.id, 0, -1}, 7, weird, weird});
  batch.audit.push_back({weird, weird, weird, 1});
  owner_.MustFlush(batch);
  owner_.Reload();
  EXPECT_EQ(ToText(owner_.facts.runs.at(0)), ToText(run));
  EXPECT_EQ(owner_.facts.pools.at(0).name, weird);
  EXPECT_EQ(owner_.facts.dags.at(0).name, weird);
  EXPECT_EQ(ToText(owner_.facts.sessions.at(0)), ToText(core::SessionRow{session, owner_.epoch}));
  const auto attempts = *catalog_.ListAttempts({run.id, 0, -1});
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[1].error, weird);
  EXPECT_EQ(attempts[1].worker, weird);
  EXPECT_EQ(catalog_.FindRunByKey(ns_.id, weird, weird)->row.id, run.id);
}

TEST_F(FlushTest, TextsThatCannotBeStoredAreRejected) {
  for (const std::string& bad :
       {std::string("a\0b", 3), std::string("\xFF"), std::string("\xC0\x80"),
        std::string("\xED\xA0\x80"), std::string("\xF4\x90\x80\x80")}) {
    FlushBatch batch;
    batch.outputs.push_back({{RunId(int64_t{1} << 40), 0, -1}, 1, bad, ""});
    ExpectRejected(batch, "outputs: a text of");
    EXPECT_EQ(catalog_.FindNamespace(bad).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(FlushTest, ASecondOwnerFencesTheFirst) {
  const RunId run = StartRun("r").id;
  Owner second(*database_, ns_.domain, owner_.epoch);
  EXPECT_EQ(second.epoch.value(), owner_.epoch.value() + 1);
  EXPECT_EQ(second.seq.value(), owner_.seq.value() + 1);
  FlushBatch batch;
  batch.dispatches.push_back(MakeDispatch({run, 0, -1}, 1, kSession));
  EXPECT_EQ(owner_.Flush(batch).verdict, FlushVerdict::kFenced);
  EXPECT_FALSE(catalog_.GetTask({run, 0, -1})->has_value());
  second.MustFlush(batch);
  // Neither a skipped number nor the same one twice.
  EXPECT_EQ(second.store.Flush(second.epoch, FlushSeq(second.seq.value() + 2), batch).verdict,
            FlushVerdict::kFenced);
  EXPECT_EQ(second.store.Flush(second.epoch, second.seq, batch).verdict, FlushVerdict::kFenced);
  EXPECT_EQ(owner_.store.Reload({owner_.epoch}).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(owner_.store.Release(owner_.epoch).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(owner_.store.TakeIds(owner_.epoch, 1).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(second.store.TakeOver(SchedulerId(9), {owner_.epoch}).status().code(),
            absl::StatusCode::kAborted);
}

TEST_F(FlushTest, WorksWithoutPreparedStatementsAndUnderAnotherSchemaName) {
  Options options = TestOptions();
  options.direct = false;
  const auto indirect = Open(options);
  Owner owner(*indirect, ns_.domain, owner_.epoch);
  FlushBatch batch;
  batch.new_runs.push_back(owner.NewRun(dag_, "r"));
  owner.MustFlush(batch);
  EXPECT_EQ(owner.Reload().facts.runs.size(), 1U);
}

}  // namespace
}  // namespace penstock::pg
