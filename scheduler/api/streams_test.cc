// The API's streams through gRPC: watches, logs, workers.
#include <string>

#include "scheduler/api/api_test_fakes.h"
#include "scheduler/api/attempt_log.h"

namespace penstock::api::testing {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StreamsTest : public ClusterTest {
 protected:
  void SetUp() override {
    ApplyChain(first_);
    run_ = Create(first_);
    Live(core::TaskState::kWaiting);
  }
  // The run as its owner sees it: all three tasks in `state`.
  void Live(core::TaskState state) {
    core::RunView view;
    view.row = world_.catalog.GetRun(RunId(run_.id()))->row;
    view.task_count = 3;
    view.counts[static_cast<size_t>(state)] = 3;
    MutexLock lock(&world_.mu);
    world_.live[RunId(run_.id())] = view;
  }
  void EndRun() {
    core::RunRow row = world_.catalog.GetRun(RunId(run_.id()))->row;
    row.state = core::RunState::kSuccess;
    for (int32_t task = 0; task < 3; ++task) SetTask(task, core::TaskState::kSuccess);
    world_.catalog.PutRun(row);
    MutexLock lock(&world_.mu);
    world_.live.clear();
  }
  void SetTask(int32_t task, core::TaskState state) {
    store::TaskRecord record;
    record.row.key = {RunId(run_.id()), task, -1};
    record.row.state = state;
    record.row.attempt = 1;
    world_.catalog.PutTask(record);
  }
  logstore::AttemptRef Attempt() { return {RunId(run_.id()), 0, -1, 1}; }

  std::unique_ptr<grpc::ClientReader<v1::RunProgress>> Watch(Node& node,
                                                             grpc::ClientContext* context) {
    v1::WatchRunRequest request;
    request.mutable_run()->set_id(run_.id());
    return node.control->WatchRun(context, request);
  }
  v1::ReadLogsRequest LogRequest() {
    v1::ReadLogsRequest request;
    request.mutable_run()->set_id(run_.id());
    request.set_task("a");
    return request;
  }
  struct Log {
    std::string text;
    bool incomplete = false;
    grpc::Status status;
  };
  Log ReadLog(Node& node, const v1::ReadLogsRequest& request) {
    const auto context = Context();
    const auto reader = node.control->ReadLogs(context.get(), request);
    Log log;
    for (v1::LogRecord record; reader->Read(&record);) {
      log.text += record.data();
      log.incomplete = record.incomplete();
    }
    log.status = reader->Finish();
    return log;
  }

  // Reads the rest; `progress` is the last that came.
  static grpc::Status ToEnd(grpc::ClientReader<v1::RunProgress>& watch, v1::RunProgress* progress) {
    while (watch.Read(progress)) {
    }
    return watch.Finish();
  }

  v1::Run run_;
};

// ---- WatchRun ----

TEST_F(StreamsTest, WatchesARunToItsEndAtTheOwner) {
  const auto context = Context();
  const auto reader = Watch(first_, context.get());
  v1::RunProgress progress;
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_EQ(progress.counts(0).state(), v1::TASK_STATE_WAITING);
  Live(core::TaskState::kRunning);
  first_.engine.TellWatches();
  while (progress.counts(0).state() == v1::TASK_STATE_WAITING) {
    ASSERT_TRUE(reader->Read(&progress));
  }
  EXPECT_EQ(progress.counts(0).state(), v1::TASK_STATE_RUNNING);
  EndRun();
  first_.engine.TellWatches();
  EXPECT_TRUE(ToEnd(*reader, &progress).ok());
  EXPECT_EQ(progress.run().state(), v1::RUN_STATE_SUCCESS);
  ASSERT_EQ(progress.counts_size(), 1);
  EXPECT_EQ(progress.counts(0).count(), 3);
}

TEST_F(StreamsTest, WatchesThroughAnotherNodeAndFollowsTheOwner) {
  const auto context = Context();
  const auto reader = Watch(second_, context.get());
  v1::RunProgress progress;
  ASSERT_TRUE(reader->Read(&progress));
  ASSERT_TRUE(world_.signal.WaitFor("watch", 1));
  world_.Own(DomainId(1), 2);
  ASSERT_TRUE(world_.signal.WaitFor("watch", 2));  // the first node lets go, the second takes over
  EndRun();
  second_.engine.TellWatches();
  EXPECT_TRUE(ToEnd(*reader, &progress).ok());
  EXPECT_EQ(progress.run().state(), v1::RUN_STATE_SUCCESS);
}

TEST_F(StreamsTest, AWatchEndsWhereTheDatabaseIsOutOfReach) {
  const auto here = Context(), through = Context();
  const auto watch = Watch(first_, here.get());
  const auto other = Watch(second_, through.get());
  v1::RunProgress progress;
  ASSERT_TRUE(watch->Read(&progress));
  ASSERT_TRUE(other->Read(&progress));
  first_.engine.SetBeatAge(absl::Seconds(10));
  EXPECT_EQ(ToEnd(*watch, &progress).error_code(), grpc::StatusCode::UNAVAILABLE);
  // The other node goes on with whoever takes over.
  world_.Own(DomainId(1), 2);
  EndRun();
  EXPECT_TRUE(ToEnd(*other, &progress).ok());
  EXPECT_EQ(progress.run().state(), v1::RUN_STATE_SUCCESS);
}

TEST_F(StreamsTest, AStoppingNodeEndsItsStreams) {
  const auto context = Context(), late = Context();
  const auto watch = Watch(first_, context.get());
  v1::RunProgress progress;
  ASSERT_TRUE(watch->Read(&progress));
  first_.api.StopWaiting();
  const grpc::Status status = ToEnd(*watch, &progress);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("stopping"));
  const auto second = Watch(first_, late.get());
  EXPECT_EQ(ToEnd(*second, &progress).error_code(), grpc::StatusCode::UNAVAILABLE)
      << "one that comes late";
}

TEST_F(StreamsTest, AWatchOfAnEndedRunSendsItsEndAlone) {
  EndRun();
  const auto context = Context();
  const auto reader = Watch(second_, context.get());
  v1::RunProgress progress;
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_EQ(progress.task_count(), 3);
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(StreamsTest, AWatchOfNoRunEndsWithTheReason) {
  v1::WatchRunRequest request;
  request.mutable_run()->set_id(999);
  const auto context = Context();
  const auto reader = first_.control->WatchRun(context.get(), request);
  v1::RunProgress progress;
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::NOT_FOUND);
}

// ---- ReadLogs ----

TEST_F(StreamsTest, ReadsALogThatIsSpreadOverNodes) {
  SetTask(0, core::TaskState::kSuccess);
  first_.logs.Add(Attempt(), 0, "one\ntwo\n");
  second_.logs.Add(Attempt(), 0, "one\ntwo\nthree\n", /*end=*/true);
  const Log log = ReadLog(first_, LogRequest());
  EXPECT_TRUE(log.status.ok()) << log.status.error_message();
  EXPECT_EQ(log.text, "one\ntwo\nthree\n");
  EXPECT_FALSE(log.incomplete);
  v1::ReadLogsRequest from = LogRequest();
  from.set_offset(4);
  EXPECT_EQ(ReadLog(first_, from).text, "two\nthree\n");
  v1::ReadLogsRequest tail = LogRequest();
  tail.set_tail_bytes(8);
  EXPECT_EQ(ReadLog(first_, tail).text, "three\n");
}

TEST_F(StreamsTest, MarksALogWhoseEndNeverCame) {
  SetTask(0, core::TaskState::kFailed);
  first_.logs.Add(Attempt(), 0, "half a li");
  const Log log = ReadLog(second_, LogRequest());
  EXPECT_TRUE(log.status.ok());
  EXPECT_EQ(log.text, "half a li");
  EXPECT_TRUE(log.incomplete);
}

TEST_F(StreamsTest, FollowsALogUntilItEnds) {
  SetTask(0, core::TaskState::kRunning);
  first_.logs.Add(Attempt(), 0, "one\n");
  v1::ReadLogsRequest request = LogRequest();
  request.set_follow(true);
  const auto context = Context();
  const auto reader = second_.control->ReadLogs(context.get(), request);
  v1::LogRecord record;
  ASSERT_TRUE(reader->Read(&record));
  EXPECT_EQ(record.data(), "one\n");
  first_.logs.Add(Attempt(), 4, "two\n", /*end=*/true);
  ASSERT_TRUE(reader->Read(&record));
  EXPECT_EQ(record.data(), "two\n");
  EXPECT_FALSE(reader->Read(&record));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(StreamsTest, SaysWhyThereIsNoLog) {
  EXPECT_THAT(ReadLog(first_, LogRequest()).status.error_message(), HasSubstr("not started yet"));
  SetTask(0, core::TaskState::kSuccess);
  v1::ReadLogsRequest request = LogRequest();
  request.set_attempt(4);
  EXPECT_THAT(ReadLog(first_, request).status.error_message(), HasSubstr("has no attempt 4"));
}

TEST_F(StreamsTest, ShowsAHoleAsSuchUnlessAPeerHasTheBytes) {
  SetTask(0, core::TaskState::kSuccess);
  logstore::LogChunk hole;
  const std::string zeros(4, '\0');
  hole.stream = logstore::LogStream::kSystem;
  hole.bytes = zeros;
  ASSERT_TRUE(first_.logs.Append(Attempt(), {hole}).ok());
  first_.logs.Add(Attempt(), 4, "two\n", /*end=*/true);
  EXPECT_THAT(ReadLog(first_, LogRequest()).text, HasSubstr("4 bytes of output are not available"));
  second_.logs.Add(Attempt(), 0, "one\n");
  EXPECT_EQ(ReadLog(first_, LogRequest()).text, "one\ntwo\n");
}

// ---- Bulk ----

v1::LogBatch Batch(const logstore::AttemptRef& attempt, int64_t offset, const std::string& text) {
  v1::LogBatch batch;
  v1::LogChunk* chunk = batch.add_chunks();
  chunk->mutable_attempt()->set_run_id(attempt.run.value());
  chunk->mutable_attempt()->set_map_index(-1);
  chunk->mutable_attempt()->set_attempt(1);
  chunk->set_offset(offset);
  chunk->set_stream(v1::LOG_STREAM_STDOUT);
  chunk->set_data(text);
  return batch;
}

TEST_F(StreamsTest, StoresLogsAndAcknowledgesThem) {
  const auto context = Context();
  const auto stream = first_.worker->Bulk(context.get());
  ASSERT_TRUE(stream->Write(Batch(Attempt(), 0, "one\n")));
  v1::LogAcks acks;
  ASSERT_TRUE(stream->Read(&acks));
  EXPECT_EQ(acks.acks(0).stored(), 4);
  ASSERT_TRUE(stream->Write(Batch(Attempt(), 0, "one\ntwo\n")));
  ASSERT_TRUE(stream->Read(&acks));
  EXPECT_EQ(acks.acks(0).stored(), 8);
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&acks));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamsTest, FetchesFromPeersWhatAWorkerHasForgotten) {
  second_.logs.Add(Attempt(), 0, "one\n");
  const auto context = Context();
  const auto stream = first_.worker->Bulk(context.get());
  ASSERT_TRUE(stream->Write(Batch(Attempt(), 6, "three\n")));
  v1::LogAcks acks;
  ASSERT_TRUE(stream->Read(&acks));
  EXPECT_EQ(acks.acks(0).stored(), 12);
  const auto slice = first_.logs.Read(Attempt(), 0, 100, 0);
  ASSERT_EQ(slice->records.size(), 3u);
  EXPECT_EQ(slice->records[0].bytes, "one\n");
  EXPECT_TRUE(IsHole(slice->records[1]));  // two bytes that nobody has
  EXPECT_EQ(slice->records[2].bytes, "three\n");
}

// ---- Control ----

v1::WorkerMessage Hello(int64_t session, int64_t incarnation = 0) {
  v1::WorkerMessage message;
  v1::WorkerHello* hello = message.mutable_hello();
  hello->set_session_id(session);
  hello->set_name("w1");
  hello->add_queues("default");
  hello->set_slots(2);
  hello->set_started_at_us(5);
  hello->set_incarnation(incarnation);
  return message;
}

// Collects what an owner is told.
class RecordingInbox final : public engine::DomainInbox {
 public:
  explicit RecordingInbox(TestSignal* signal) : signal_(*signal) {}
  void Post(core::Event event) override {
    MutexLock lock(&mu_);
    events_.push_back(std::move(event));
    signal_.Announce("event");
  }
  void Post(std::vector<core::Event> events) override {
    for (core::Event& event : events) Post(std::move(event));
  }
  bool LeaseHolds(SteadyTime) const override { return true; }
  template <typename T>
  std::optional<T> Find() {
    MutexLock lock(&mu_);
    for (const core::Event& event : events_) {
      if (const T* found = std::get_if<T>(&event)) return *found;
    }
    return std::nullopt;
  }

 private:
  TestSignal& signal_;
  Mutex mu_;
  std::vector<core::Event> events_ ABSL_GUARDED_BY(mu_);
};

TEST_F(StreamsTest, JoinsAWorkerWithTheOwnerOfADomain) {
  RecordingInbox inbox(&world_.signal);
  first_.hub.Register(DomainId(1), Epoch(3), &inbox);
  const auto context = Context();
  const auto stream = first_.worker->Control(context.get());
  ASSERT_TRUE(stream->Write(Hello(77)));
  v1::SchedulerMessage message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.welcome().incarnation(), 7);
  EXPECT_EQ(message.welcome().session_term_ms(), 15'000);
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.offers(0).domain(), 1);
  EXPECT_EQ(message.offers(0).epoch(), 3);
  v1::WorkerMessage more;
  v1::DomainHello* hello = more.add_domain_hellos();
  hello->set_domain(1);
  hello->set_epoch(3);
  hello->set_offer(message.offers(0).number());
  hello->set_credits(2);
  ASSERT_TRUE(stream->Write(more));
  ASSERT_TRUE(world_.signal.WaitFor("event"));
  const auto said = inbox.Find<core::SessionHello>();
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(said->credits, 2);
  first_.hub.Bound(DomainId(1), SessionId(77), said->binding);
  more.Clear();
  v1::Result* result = more.add_results();
  result->set_domain(1);
  result->set_epoch(3);
  result->mutable_attempt()->set_run_id(5);
  result->mutable_attempt()->set_map_index(-1);
  result->mutable_attempt()->set_attempt(1);
  result->set_outcome(v1::Result::OUTCOME_SUCCESS);
  more.mutable_renew()->set_sequence(9);
  ASSERT_TRUE(stream->Write(more));
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.renewed().sequence(), 9);
  EXPECT_THAT(message.renewed().domains(), ElementsAre(1));
  EXPECT_TRUE(inbox.Find<core::AttemptEnded>().has_value());
  engine::SessionMail mail;
  mail.wish = 4;
  first_.hub.Deliver(DomainId(1), SessionId(77), said->binding, std::move(mail));
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.wishes(0).wanted(), 4);
  const int events = world_.signal.Count("event");
  context->TryCancel();
  EXPECT_FALSE(stream->Read(&message));
  (void)stream->Finish();
  ASSERT_TRUE(world_.signal.WaitFor("event", events + 1));
  EXPECT_TRUE(inbox.Find<core::BindingClosed>().has_value());
  first_.hub.Unregister(DomainId(1));
}

TEST_F(StreamsTest, RefusesAWorkerThatDoesNotSayHelloProperly) {
  const auto finish = [this](const v1::WorkerMessage& first) {
    const auto context = Context();
    const auto stream = first_.worker->Control(context.get());
    stream->Write(first);
    v1::SchedulerMessage message;
    while (stream->Read(&message)) {
    }
    return stream->Finish();
  };
  EXPECT_EQ(finish(v1::WorkerMessage()).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(finish(Hello(0)).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(StreamsTest, EndsASessionOfAnEarlierLifeOfTheDatabase) {
  const auto context = Context();
  const auto stream = first_.worker->Control(context.get());
  ASSERT_TRUE(stream->Write(Hello(77, /*incarnation=*/6)));
  v1::SchedulerMessage message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.ended(0).reason(), v1::DomainEnd::REASON_SESSION_LOST);
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(StreamsTest, TellsOwnersOfAProvenDeath) {
  RecordingInbox inbox(&world_.signal);
  first_.hub.Register(DomainId(1), Epoch(3), &inbox);
  v1::ReportSessionDeathRequest request;
  request.set_session_id(77);
  v1::ReportSessionDeathResponse response;
  ASSERT_TRUE(first_.worker->ReportSessionDeath(Context().get(), request, &response).ok());
  EXPECT_EQ(inbox.Find<core::SessionDead>()->session, SessionId(77));
  first_.hub.Unregister(DomainId(1));
}

TEST_F(StreamsTest, ServesVersionsAndBundles) {
  v1::GetVersionRequest request;
  request.set_version_id(run_.version_id());
  v1::GetVersionResponse version;
  ASSERT_TRUE(second_.worker->GetVersion(Context().get(), request, &version).ok());
  EXPECT_EQ(version.dag(), "chain");
  request.set_version_id(999);
  EXPECT_EQ(second_.worker->GetVersion(Context().get(), request, &version).error_code(),
            StatusCode::NOT_FOUND);
  const std::string bytes(10 << 20, 'b');
  ASSERT_TRUE(world_.catalog.PutBundle("h", bytes).ok());
  v1::GetBundleRequest bundle;
  bundle.set_hash("h");
  const auto context = Context(absl::Minutes(2));  // sanitizers are slow
  const auto reader = second_.worker->GetBundle(context.get(), bundle);
  std::string received;
  for (v1::BundleChunk chunk; reader->Read(&chunk);) received += chunk.data();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(received == bytes);  // without printing them
}

}  // namespace
}  // namespace penstock::api::testing
