// The control API through gRPC, on two nodes that share one catalog.
#include "scheduler/api/control_service.h"

#include <string>

#include "penstock/v1/worker.pb.h"
#include "scheduler/api/api_test_fakes.h"

namespace penstock::api::testing {
namespace {

using grpc::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ControlTest : public ClusterTest {
 protected:
  grpc::Status Apply(Node& node, const std::string& yaml, v1::ApplyDagResponse* response,
                     grpc::ClientContext* context, const std::string& bundle = "") {
    v1::ApplyDagRequest request;
    request.set_yaml(yaml);
    request.set_bundle(bundle);
    return node.control->ApplyDag(context, request, response);
  }
  static v1::CreateRunRequest NewRun(const std::string& dag = "chain") {
    v1::CreateRunRequest request;
    request.set_dag(dag);
    return request;
  }
  // A run of the chain that is asked for and not answered yet.
  class PendingRun {
   public:
    explicit PendingRun(Node& node) {
      node.control->async()->CreateRun(context_.get(), &request_, &run_, [this](grpc::Status s) {
        status_ = std::move(s);
        done_.Set();
      });
    }
    const v1::Run& Wait() {
      EXPECT_TRUE(Status().ok()) << status_.error_message();
      return run_;
    }
    const grpc::Status& Status() {
      done_.Wait();
      return status_;
    }

   private:
    const std::unique_ptr<grpc::ClientContext> context_ = Context();
    const v1::CreateRunRequest request_ = NewRun();
    v1::Run run_;
    grpc::Status status_;
    service::Event done_;
  };
  v1::RunRef Ref(int64_t id) {
    v1::RunRef ref;
    ref.set_id(id);
    return ref;
  }
  void SetTask(int64_t run, int32_t task, core::TaskState state, int32_t attempt = 1) {
    store::TaskRecord record;
    record.row.key = {RunId(run), task, -1};
    record.row.state = state;
    record.row.attempt = attempt;
    world_.catalog.PutTask(record);
  }
  void EndRun(int64_t id, core::RunState state) {
    core::RunRow row = world_.catalog.GetRun(RunId(id))->row;
    row.state = state;
    world_.catalog.PutRun(row);
  }
};

// ---- DAGs ----

TEST_F(ControlTest, AppliesADagOnceForTheSameContent) {
  const v1::ApplyDagResponse first = ApplyChain(first_);
  EXPECT_TRUE(first.created());
  EXPECT_TRUE(first.changed());
  EXPECT_EQ(first.dag().task_count(), 3);
  const v1::ApplyDagResponse again = ApplyChain(first_);
  EXPECT_FALSE(again.created());
  EXPECT_FALSE(again.changed());
  EXPECT_EQ(again.dag().version_id(), first.dag().version_id());
}

TEST_F(ControlTest, SendsTheProblemsOfADagFileAsTextAndAsData) {
  const auto context = Context();
  v1::ApplyDagResponse response;
  const grpc::Status status =
      Apply(second_, "dag: d\ntasks:\n  a: {shh: x}\n  b: {sh: y, needs: nope}\n", &response,
            context.get());
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("shh"), HasSubstr("nope")));
  const auto& trailers = context->GetServerTrailingMetadata();
  const auto trailer = trailers.find("penstock-problems-bin");
  ASSERT_NE(trailer, trailers.end());
  v1::ProblemList problems;
  ASSERT_TRUE(
      problems.ParseFromArray(trailer->second.data(), static_cast<int>(trailer->second.size())));
  ASSERT_GE(problems.problems_size(), 2);
  EXPECT_EQ(problems.problems(0).line(), 3);
}

TEST_F(ControlTest, KeepsALongListOfProblemsWithinTheTrailers) {
  std::string yaml = "dag: d\ntasks:\n";
  for (int i = 0; i < 300; ++i) yaml += "  t" + std::to_string(i) + ": {nonsense: x}\n";
  v1::ApplyDagResponse response;
  const grpc::Status status = Apply(first_, yaml, &response, Context().get());
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("more problems"));
}

TEST_F(ControlTest, WantsTheFilesThatADagFileNames) {
  v1::ApplyDagResponse response;
  const std::string yaml = "dag: d\nfiles: [\"*.sh\"]\ntasks: {a: {sh: ./a.sh}}\n";
  grpc::Status status = Apply(first_, yaml, &response, Context().get());
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("none were sent"));
  v1::Bundle bundle;
  bundle.add_files()->set_path("a.sh");
  status = Apply(first_, yaml, &response, Context().get(), bundle.SerializeAsString());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(ControlTest, DryRunStoresNothing) {
  v1::ApplyDagRequest request;
  request.set_yaml("dag: d\ntasks: {a: {sh: x}}\n");
  request.set_dry_run(true);
  v1::ApplyDagResponse response;
  ASSERT_TRUE(first_.control->ApplyDag(Context().get(), request, &response).ok());
  EXPECT_TRUE(response.created());
  EXPECT_EQ(response.dag().task_count(), 1);
  EXPECT_FALSE(world_.catalog.FindDag(NamespaceId(1), "d").ok());
}

TEST_F(ControlTest, ShowsPausesAndDeletesDagsThroughAnyNode) {
  ApplyChain(second_);
  v1::SetDagPausedRequest pause;
  pause.set_name("chain");
  pause.set_paused(true);
  v1::Dag dag;
  ASSERT_TRUE(second_.control->SetDagPaused(Context().get(), pause, &dag).ok());
  EXPECT_TRUE(dag.paused());
  v1::GetDagRequest get;
  get.set_name("chain");
  ASSERT_TRUE(first_.control->GetDag(Context().get(), get, &dag).ok());
  EXPECT_THAT(dag.tasks(2).needs(), ElementsAre("b"));
  EXPECT_NE(dag.canonical_json(), "");
  v1::DeleteDagRequest remove;
  remove.set_name("chain");
  v1::DeleteDagResponse removed;
  ASSERT_TRUE(second_.control->DeleteDag(Context().get(), remove, &removed).ok());
  EXPECT_EQ(first_.control->GetDag(Context().get(), get, &dag).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ControlTest, PagesThroughListsWithCursors) {
  for (const char* name : {"a", "b", "c"}) ApplyChain(first_, name);
  v1::ListDagsRequest request;
  request.set_page_size(2);
  v1::ListDagsResponse response;
  ASSERT_TRUE(second_.control->ListDags(Context().get(), request, &response).ok());
  ASSERT_EQ(response.dags_size(), 2);
  request.set_cursor(response.next_cursor());
  ASSERT_TRUE(second_.control->ListDags(Context().get(), request, &response).ok());
  ASSERT_EQ(response.dags_size(), 1);
  EXPECT_EQ(response.dags(0).name(), "c");
  EXPECT_EQ(response.next_cursor(), "");
  request.set_cursor("rubbish");
  EXPECT_EQ(second_.control->ListDags(Context().get(), request, &response).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

// ---- Runs ----

TEST_F(ControlTest, CreatesARunWithoutReadingTheDatabase) {
  ApplyChain(first_);
  Create(first_);
  const int dag_reads = world_.catalog.reads("FindDag");
  const v1::Run run = Create(first_);
  EXPECT_EQ(run.key(), "run-" + std::to_string(run.id()));
  EXPECT_EQ(run.params_json(), R"({"region":"eu"})");
  EXPECT_EQ(run.version_number(), 1);
  EXPECT_EQ(world_.catalog.reads("FindDag"), dag_reads);
  EXPECT_EQ(world_.catalog.reads("FindDuplicates"), 0);
}

TEST_F(ControlTest, TheSameIdempotencyKeyGivesTheSameRun) {
  ApplyChain(first_);
  v1::CreateRunRequest request = NewRun();
  request.set_idempotency_key("once");
  v1::Run one, two;
  ASSERT_TRUE(first_.control->CreateRun(Context().get(), request, &one).ok());
  ASSERT_TRUE(second_.control->CreateRun(Context().get(), request, &two).ok());
  EXPECT_EQ(one.id(), two.id());
  EXPECT_FALSE(one.already_existed());
  EXPECT_TRUE(two.already_existed());
}

TEST_F(ControlTest, NamesTheRunThatHasTheKeyAlready) {
  ApplyChain(first_);
  v1::CreateRunRequest request = NewRun();
  request.set_run_key("monday");
  v1::Run run;
  ASSERT_TRUE(first_.control->CreateRun(Context().get(), request, &run).ok());
  const grpc::Status status = first_.control->CreateRun(Context().get(), request, &run);
  EXPECT_EQ(status.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(status.error_message(), HasSubstr("run key \"monday\""));
  EXPECT_THAT(status.error_message(), HasSubstr("run " + std::to_string(run.id())));
}

TEST_F(ControlTest, RefusesABadRunWithEveryProblem) {
  ApplyChain(first_);
  v1::CreateRunRequest request = NewRun();
  request.set_run_key("run-17");
  request.set_idempotency_key("penstock-forward:1");
  request.mutable_logical_date()->set_nanos(-1);
  v1::Run run;
  const grpc::Status status = first_.control->CreateRun(Context().get(), request, &run);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("run_key"), HasSubstr("idempotency_key"), HasSubstr("logical_date")));
}

TEST_F(ControlTest, RefusesParametersThatTheDagDoesNotDeclare) {
  ApplyChain(first_);
  v1::CreateRunRequest request = NewRun();
  request.set_params_json(R"({"regoin": "us"})");
  v1::Run run;
  const grpc::Status status = second_.control->CreateRun(Context().get(), request, &run);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("regoin"));
  EXPECT_EQ(world_.catalog.run_count(), 0u);
}

TEST_F(ControlTest, CreatesManyRunsInOrderOrNone) {
  ApplyChain(first_);
  v1::CreateRunsRequest request;
  for (const char* key : {"a", "b"}) {
    *request.add_runs() = NewRun();
    request.mutable_runs(request.runs_size() - 1)->set_run_key(key);
  }
  v1::CreateRunsResponse response;
  ASSERT_TRUE(second_.control->CreateRuns(Context().get(), request, &response).ok());
  ASSERT_EQ(response.runs_size(), 2);
  EXPECT_EQ(response.runs(0).key(), "a");
  EXPECT_EQ(response.runs(1).key(), "b");
  request.mutable_runs(0)->set_run_key("c");
  request.mutable_runs(1)->set_run_key("c");
  const grpc::Status status = first_.control->CreateRuns(Context().get(), request, &response);
  EXPECT_THAT(status.error_message(), HasSubstr("the same as in runs[0]"));
  EXPECT_EQ(world_.catalog.run_count(), 2u);
}

TEST_F(ControlTest, CancelsAndRetriesThroughAnyNode) {
  ApplyChain(first_);
  const v1::Run run = Create(first_);
  v1::CancelRunRequest cancel;
  *cancel.mutable_run() = Ref(run.id());
  v1::Run cancelled;
  ASSERT_TRUE(second_.control->CancelRun(Context().get(), cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.state(), v1::RUN_STATE_CANCELLED);
  ASSERT_TRUE(second_.control->CancelRun(Context().get(), cancel, &cancelled).ok());
  v1::RetryRunRequest retry;
  retry.mutable_run()->set_dag("chain");
  retry.mutable_run()->set_key(run.key());
  v1::RetryRunResponse retried;
  ASSERT_TRUE(second_.control->RetryRun(Context().get(), retry, &retried).ok());
  EXPECT_EQ(retried.run().state(), v1::RUN_STATE_RUNNING);
}

TEST_F(ControlTest, RetriesARunThatEndsAtThatVeryMoment) {
  ApplyChain(first_);
  const v1::Run run = Create(first_);
  v1::CancelRunRequest cancel;
  *cancel.mutable_run() = Ref(run.id());
  for (Node* asked : {&first_, &second_}) {
    v1::Run cancelled;
    ASSERT_TRUE(first_.control->CancelRun(Context().get(), cancel, &cancelled).ok());
    first_.engine.EndRunBeforeRetry();
    v1::RetryRunRequest retry;
    *retry.mutable_run() = Ref(run.id());
    v1::RetryRunResponse retried;
    const grpc::Status status = asked->control->RetryRun(Context().get(), retry, &retried);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

TEST_F(ControlTest, DoesNotShowRunsOfOtherNamespaces) {
  ApplyChain(first_);
  const v1::Run run = Create(first_);
  world_.catalog.AddNamespace("other", DomainId(1));
  v1::GetRunRequest request;
  request.set_namespace_("other");
  *request.mutable_run() = Ref(run.id());
  v1::Run response;
  EXPECT_EQ(first_.control->GetRun(Context().get(), request, &response).error_code(),
            StatusCode::NOT_FOUND);
}

// ---- Owners ----

TEST_F(ControlTest, FollowsADomainThatMovesWhileARequestIsUnderWay) {
  ApplyChain(first_);
  first_.engine.RefuseNext(3);
  Create(first_);
  first_.engine.RefuseNext(3);
  Create(second_);
  EXPECT_EQ(world_.catalog.run_count(), 2u);
}

TEST_F(ControlTest, WaitsForAnOwnerUntilOneIsThere) {
  ApplyChain(first_);
  world_.Own(DomainId(1), 0);
  const int before = world_.signal.Count("locate");
  PendingRun pending(second_);
  ASSERT_TRUE(world_.signal.WaitFor("locate", before + 3));
  world_.Own(DomainId(1), 2);
  pending.Wait();
}

TEST_F(ControlTest, ARunForwardedToANodeThatDiesIsCreatedOnce) {
  ApplyChain(first_);
  first_.Stop();
  const int before = world_.signal.Count("locate");
  PendingRun pending(second_);
  ASSERT_TRUE(world_.signal.WaitFor("locate", before + 2));  // a first try has failed
  world_.Own(DomainId(1), 2);
  EXPECT_FALSE(pending.Wait().already_existed());
  // The second try looked whether the first one had been carried out.
  EXPECT_EQ(world_.catalog.reads("FindDuplicates"), 1);
  EXPECT_EQ(world_.catalog.run_count(), 1u);
}

TEST_F(ControlTest, ARunWhoseAnswerIsLostIsCreatedOnce) {
  ApplyChain(first_);
  first_.engine.LoseNextAnswer();
  EXPECT_FALSE(Create(second_).already_existed()) << "the second try found the first one's run";
  EXPECT_EQ(world_.catalog.run_count(), 1u);

  v1::CreateRunRequest request = NewRun();
  request.set_idempotency_key("mine");
  v1::Run run;
  first_.engine.LoseNextAnswer();
  ASSERT_TRUE(first_.control->CreateRun(Context().get(), request, &run).ok());
  EXPECT_EQ(world_.catalog.run_count(), 2u);

  // Without a key nobody could tell this one from another.
  first_.engine.LoseNextAnswer();
  const grpc::Status status = first_.control->CreateRun(Context().get(), NewRun(), &run);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("look whether the request took effect"));
  EXPECT_EQ(world_.catalog.run_count(), 3u);
}

TEST_F(ControlTest, APoolsDeletionIsNotRepeatedInDoubt) {
  v1::SetPoolRequest set;
  set.set_name("gpu");
  v1::Pool pool;
  ASSERT_TRUE(first_.control->SetPool(Context().get(), set, &pool).ok());
  v1::DeletePoolRequest request;
  request.set_name("gpu");
  v1::DeletePoolResponse response;
  first_.engine.LoseNextAnswer();
  const grpc::Status status = first_.control->DeletePool(Context().get(), request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE) << "not NOT_FOUND, of a second try";
}

TEST_F(ControlTest, ALookUpThatFailsAfterTheCommitLeavesOneRun) {
  ApplyChain(first_);
  first_.engine.CreateInOtherVersion();
  world_.catalog.FailRunReads(1);
  v1::Run run;
  const grpc::Status status = first_.control->CreateRun(Context().get(), NewRun(), &run);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("look whether the request took effect"));
  EXPECT_EQ(world_.catalog.run_count(), 1u);
}

TEST_F(ControlTest, ARefusalDoesNotHideThatARunMayHaveBeenCreated) {
  ApplyChain(first_);
  first_.engine.LoseNextAnswer(/*and_domain=*/true);
  const int before = world_.signal.Count("execute");
  PendingRun pending(second_);
  ASSERT_TRUE(world_.signal.WaitFor("execute", before + 1));
  second_.engine.SetBeatAge(absl::Seconds(10));
  EXPECT_EQ(pending.Status().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(pending.Status().error_message(), HasSubstr("look whether the request took effect"));
  EXPECT_EQ(world_.catalog.run_count(), 1u);
}

TEST_F(ControlTest, ANodeThatIsCutOffFromTheDatabaseRefusesAtOnce) {
  ApplyChain(first_);
  first_.engine.SetBeatAge(absl::Seconds(10));
  ASSERT_TRUE(world_.signal.WaitFor("give up")) << "what waits is answered";
  v1::Run run;
  const auto begun = world_.signal.Count("execute");
  const grpc::Status status = first_.control->CreateRun(Context().get(), NewRun(), &run);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("ask another one"));
  EXPECT_EQ(world_.signal.Count("execute"), begun);
  // Another node takes over, and asks no longer.
  world_.Own(DomainId(1), 2);
  Create(second_);
  first_.engine.SetBeatAge(absl::ZeroDuration());
  // Whoever asks concludes at once; of the two threads that may, one has after four questions.
  ASSERT_TRUE(world_.signal.WaitFor("ready 1", world_.signal.Count("ready 1") + 4));
  Create(first_);
}

TEST_F(ControlTest, ANodeThatIsNoWorseOffThanOthersGoesOnWaiting) {
  ApplyChain(first_);
  // Only the first asks the second, and not again before it has concluded.
  const auto rounds = [this] {
    return world_.signal.WaitFor("since beat 2", world_.signal.Count("since beat 2") + 3);
  };
  first_.engine.SetBeatAge(absl::Milliseconds(2500));  // ready yet
  second_.engine.SetBeatAge(absl::Seconds(4));
  first_.engine.SetBeatAge(absl::Seconds(10));  // the other's beat is younger, but it is not ready
  ASSERT_TRUE(rounds());
  Create(first_);
  // After the outage another one is the first to come back.
  second_.engine.SetBeatAge(absl::ZeroDuration());
  ASSERT_TRUE(rounds());
  Create(first_);
  EXPECT_EQ(world_.signal.Count("give up"), 0);
}

// ---- Task instances ----

TEST_F(ControlTest, ListsInstancesWithAndWithoutRows) {
  ApplyChain(first_);
  const v1::Run run = Create(first_);
  SetTask(run.id(), 0, core::TaskState::kSuccess);
  SetTask(run.id(), 1, core::TaskState::kLeased);
  {
    MutexLock lock(&world_.mu);
    world_.tasks[{RunId(run.id()), 1, -1}] = {core::TaskState::kRunning, 1, SessionId(1)};
    world_.tasks[{RunId(run.id()), 2, -1}] = {core::TaskState::kWaiting, 0, SessionId()};
  }
  v1::ListTaskInstancesRequest request;
  *request.mutable_run() = Ref(run.id());
  v1::ListTaskInstancesResponse response;
  ASSERT_TRUE(second_.control->ListTaskInstances(Context().get(), request, &response).ok());
  ASSERT_EQ(response.instances_size(), 3);
  EXPECT_EQ(response.instances(0).state(), v1::TASK_STATE_SUCCESS);
  EXPECT_EQ(response.instances(1).state(), v1::TASK_STATE_RUNNING);
  EXPECT_EQ(response.instances(2).state(), v1::TASK_STATE_WAITING);
  EXPECT_EQ(response.instances(2).task(), "c");
  request.add_states(v1::TASK_STATE_RUNNING);
  request.add_states(v1::TASK_STATE_WAITING);
  request.set_page_size(1);
  ASSERT_TRUE(second_.control->ListTaskInstances(Context().get(), request, &response).ok());
  ASSERT_EQ(response.instances_size(), 1);
  EXPECT_EQ(response.instances(0).task(), "b");
  request.set_cursor(response.next_cursor());
  ASSERT_TRUE(second_.control->ListTaskInstances(Context().get(), request, &response).ok());
  EXPECT_EQ(response.instances(0).task(), "c");
  EXPECT_EQ(response.next_cursor(), "");
}

TEST_F(ControlTest, ExplainsFromTheOwnerWhileTheRunLivesAndFromRowsAfterwards) {
  ApplyChain(first_);
  const v1::Run run = Create(first_);
  {
    MutexLock lock(&world_.mu);
    world_.explanations[{RunId(run.id()), 1, -1}] = {
        core::TaskState::kReady, 0, core::Reason::kBlockedPool, "waits for pool etl", "raise it"};
  }
  v1::ExplainTaskInstanceRequest request;
  *request.mutable_run() = Ref(run.id());
  request.set_task("b");
  v1::Explanation explanation;
  ASSERT_TRUE(second_.control->ExplainTaskInstance(Context().get(), request, &explanation).ok());
  EXPECT_EQ(explanation.code(), "blocked_pool");
  EXPECT_EQ(explanation.reason(), "waits for pool etl");
  EXPECT_EQ(explanation.instance().state(), v1::TASK_STATE_READY);
  SetTask(run.id(), 1, core::TaskState::kUpstreamFailed, 0);
  EndRun(run.id(), core::RunState::kFailed);
  ASSERT_TRUE(second_.control->ExplainTaskInstance(Context().get(), request, &explanation).ok());
  EXPECT_EQ(explanation.code(), "upstream_failed");
  request.set_task("bb");
  const grpc::Status status =
      second_.control->ExplainTaskInstance(Context().get(), request, &explanation);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ControlTest, ShowsOutputAndEarlierAttemptsOfAnInstance) {
  ApplyChain(first_);
  const v1::Run run = Create(first_);
  SetTask(run.id(), 0, core::TaskState::kSuccess, 2);
  store::AttemptView earlier;
  earlier.row.key = {RunId(run.id()), 0, -1};
  earlier.row.attempt = 1;
  earlier.row.state = core::TaskState::kFailed;
  earlier.charged = true;
  world_.catalog.PutAttempt(earlier);
  v1::GetTaskInstanceRequest request;
  *request.mutable_run() = Ref(run.id());
  request.set_task("a");
  v1::TaskInstance instance;
  ASSERT_TRUE(second_.control->GetTaskInstance(Context().get(), request, &instance).ok());
  EXPECT_EQ(instance.output_json(), R"({"rows":3})");
  ASSERT_EQ(instance.earlier_size(), 1);
  EXPECT_TRUE(instance.earlier(0).charged());
}

// ---- Limits and the fleet ----

TEST_F(ControlTest, SetsListsAndDeletesPools) {
  v1::SetPoolRequest set;
  set.set_name("etl");
  set.set_slots(20);
  v1::Pool pool;
  ASSERT_TRUE(second_.control->SetPool(Context().get(), set, &pool).ok());
  EXPECT_EQ(pool.slots(), 20);
  EXPECT_EQ(pool.waiting(), 2);
  v1::ListPoolsResponse pools;
  ASSERT_TRUE(second_.control->ListPools(Context().get(), {}, &pools).ok());
  EXPECT_EQ(pools.pools_size(), 1);
  set.set_name("no/good");
  set.set_slots(-1);
  const grpc::Status refused = second_.control->SetPool(Context().get(), set, &pool);
  EXPECT_THAT(refused.error_message(), AllOf(HasSubstr("name"), HasSubstr("slots")));
  v1::DeletePoolRequest remove;
  remove.set_name("etl");
  v1::DeletePoolResponse removed;
  ASSERT_TRUE(second_.control->DeletePool(Context().get(), remove, &removed).ok());
  EXPECT_EQ(first_.control->DeletePool(Context().get(), remove, &removed).error_code(),
            StatusCode::NOT_FOUND);
}

TEST_F(ControlTest, DrainsAWorkerInEveryDomainAndCountsItsSessionsOnce) {
  world_.catalog.AddNamespace("other", DomainId(2));
  world_.Own(DomainId(2), 2);
  v1::DrainWorkerRequest request;
  request.set_name("w1");
  v1::DrainWorkerResponse response;
  ASSERT_TRUE(first_.control->DrainWorker(Context().get(), request, &response).ok());
  EXPECT_EQ(response.sessions(), 2);
  EXPECT_EQ(world_.signal.Count("execute"), 2);
}

TEST_F(ControlTest, TellsTheOwnerOfANamespaceThatJoinsItsDomain) {
  v1::CreateNamespaceRequest request;
  request.set_name("team");
  request.set_share_domain_with("default");
  v1::Namespace ns;
  ASSERT_TRUE(second_.control->CreateNamespace(Context().get(), request, &ns).ok());
  EXPECT_EQ(ns.domain(), 1);
  EXPECT_EQ(world_.signal.Count("namespace"), 1);
  EXPECT_EQ(second_.control->CreateNamespace(Context().get(), request, &ns).error_code(),
            StatusCode::ALREADY_EXISTS);
  request.set_name("lone");
  request.set_share_domain_with("nope");
  EXPECT_EQ(second_.control->CreateNamespace(Context().get(), request, &ns).error_code(),
            StatusCode::NOT_FOUND);
}

TEST_F(ControlTest, ShowsTheCluster) {
  v1::Cluster cluster;
  ASSERT_TRUE(second_.control->GetCluster(Context().get(), {}, &cluster).ok());
  EXPECT_EQ(cluster.version(), "1.2.3");
  EXPECT_EQ(cluster.incarnation(), 7);
  EXPECT_EQ(cluster.schedulers_size(), 2);
  ASSERT_EQ(cluster.domains_size(), 1);
  EXPECT_EQ(cluster.domains(0).owner(), 1);
}

}  // namespace
}  // namespace penstock::api::testing
