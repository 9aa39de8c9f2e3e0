#include "client/lib/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "client/lib/errors.h"
#include "client/lib/fake_control_service.h"
#include "common/base/mutex.h"

namespace penstock::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const grpc::Status kGone(grpc::StatusCode::UNAVAILABLE, "no owner at the moment");

class ClientTest : public ::testing::Test {
 protected:
  // A client of `addresses`, by default of the fake server, that pauses without sleeping.
  std::unique_ptr<Client> Connect(std::vector<std::string> addresses = {},
                                  absl::Duration retry_for = absl::Seconds(20)) {
    server_.Start();
    ClientOptions options;
    options.addresses = addresses.empty() ? std::vector{server_.address()} : addresses;
    for (std::string& address : options.addresses) {
      if (address == "server") address = server_.address();
    }
    options.retry_for = retry_for;
    options.sleep = [](absl::Duration) {};
    options.on_retry = [this](const std::string& reason) { reasons_.push_back(reason); };
    return std::make_unique<Client>(std::move(options), RealClock());
  }

  template <typename Message>
  static StreamEvent NextEvent(ServerStream<Message>& stream, Message* out) {
    StreamEvent event = StreamEvent::kWaiting;
    while (event == StreamEvent::kWaiting) event = stream.Next(absl::Seconds(5), out);
    return event;
  }

  FakeServer server_;
  std::vector<std::string> reasons_;
};

TEST_F(ClientTest, GivesTheServersAnswer) {
  server_.service.on_GetRun = [](const v1::GetRunRequest& request, v1::Run* run) {
    run->set_id(request.run().id());
    return grpc::Status::OK;
  };
  v1::GetRunRequest request;
  request.mutable_run()->set_id(42);
  const auto run = Connect()->GetRun(request);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->id(), 42);
  EXPECT_TRUE(reasons_.empty());
}

TEST_F(ClientTest, RepeatsARunsCreationUnderTheSameKey) {
  std::vector<std::string> keys;
  server_.service.on_CreateRun = [&](const v1::CreateRunRequest& request, v1::Run* run) {
    keys.push_back(request.idempotency_key());
    run->set_id(7);
    return keys.size() < 3 ? kGone : grpc::Status::OK;
  };
  const auto run = Connect()->CreateRun(v1::CreateRunRequest());
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), 1u);
  EXPECT_EQ(keys[0].size(), 32u);
  EXPECT_THAT(reasons_, ElementsAre("no owner at the moment"));
}

TEST_F(ClientTest, RepeatsWhatAServerThatEndsHasCancelled) {
  int calls = 0;
  server_.service.on_CreateRun = [&](const v1::CreateRunRequest&, v1::Run*) {
    return ++calls == 1 ? grpc::Status::CANCELLED : grpc::Status::OK;
  };
  EXPECT_TRUE(Connect()->CreateRun(v1::CreateRunRequest()).ok());
  EXPECT_EQ(calls, 2);
}

TEST_F(ClientTest, KeepsTheCallersKeyAndMakesOtherwiseNewOnes) {
  std::vector<std::string> keys;
  server_.service.on_CreateRun = [&](const v1::CreateRunRequest& request, v1::Run*) {
    keys.push_back(request.idempotency_key());
    return grpc::Status::OK;
  };
  const auto client = Connect();
  v1::CreateRunRequest request;
  request.set_idempotency_key("mine");
  ASSERT_TRUE(client->CreateRun(request).ok());
  ASSERT_TRUE(client->CreateRun(v1::CreateRunRequest()).ok());
  ASSERT_TRUE(client->CreateRun(v1::CreateRunRequest()).ok());
  EXPECT_EQ(keys[0], "mine");
  EXPECT_NE(keys[1], keys[2]);
}

TEST_F(ClientTest, GivesUpWhenNobodyAnswers) {
  const auto client = Connect({"unix:/nonexistent/a", "unix:/nonexistent/b"}, absl::ZeroDuration());
  const auto run = client->GetRun(v1::GetRunRequest());
  EXPECT_EQ(ExitCodeOf(run.status()), ExitCode::kUnreachable);
  EXPECT_THAT(std::string(run.status().message()),
              HasSubstr("no scheduler answers at unix:/nonexistent/a, unix:/nonexistent/b"));
}

TEST_F(ClientTest, AsksTheNextAddress) {
  server_.service.on_GetCluster = [](const v1::GetClusterRequest&, v1::Cluster*) {
    return grpc::Status::OK;
  };
  const auto client = Connect({"unix:/nonexistent/a", "server"}, absl::ZeroDuration());
  EXPECT_TRUE(client->GetCluster(v1::GetClusterRequest()).ok());
  EXPECT_TRUE(client->GetCluster(v1::GetClusterRequest()).ok());
}

TEST_F(ClientTest, DoesNotRepeatARefusal) {
  int calls = 0;
  server_.service.on_CancelRun = [&](const v1::CancelRunRequest&, v1::Run*) {
    ++calls;
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "the run has ended");
  };
  const auto run = Connect()->CancelRun(v1::CancelRunRequest());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ExitCodeOf(run.status()), ExitCode::kRefused);
  EXPECT_EQ(std::string(run.status().message()), "the run has ended");
}

TEST_F(ClientTest, CarriesTheProblemsOfADagFile) {
  v1::ProblemList problems;
  auto* problem = problems.add_problems();
  problem->set_line(3);
  problem->set_message("a pool of that name does not exist");
  server_.service.problems = problems.SerializeAsString();
  server_.service.on_ApplyDag = [](const v1::ApplyDagRequest&, v1::ApplyDagResponse*) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "1 problem");
  };
  const auto response = Connect()->ApplyDag(v1::ApplyDagRequest());
  const auto found = ProblemsOf(response.status());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].line(), 3);
}

TEST_F(ClientTest, TakesNotFoundAfterALostAnswerAsDeleted) {
  int calls = 0;
  server_.service.on_DeleteDag = [&](const v1::DeleteDagRequest&, v1::DeleteDagResponse*) {
    return ++calls == 1 ? kGone : grpc::Status(grpc::StatusCode::NOT_FOUND, "no such DAG");
  };
  const auto client = Connect();
  EXPECT_TRUE(client->DeleteDag(v1::DeleteDagRequest()).ok());
  EXPECT_TRUE(absl::IsNotFound(client->DeleteDag(v1::DeleteDagRequest()).status()));
}

TEST_F(ClientTest, TakesLargeAnswers) {
  server_.service.on_GetDag = [](const v1::GetDagRequest&, v1::Dag* dag) {
    dag->set_canonical_json(std::string(20 << 20, ' '));
    return grpc::Status::OK;
  };
  EXPECT_TRUE(Connect()->GetDag(v1::GetDagRequest()).ok());
}

TEST_F(ClientTest, ResumesAWatchThatBreaks) {
  int calls = 0;
  server_.service.on_WatchRun = [&](const v1::WatchRunRequest&,
                                    grpc::ServerWriter<v1::RunProgress>* writer) {
    v1::RunProgress progress;
    progress.set_task_count(++calls);
    writer->Write(progress);
    return calls == 1 ? kGone : grpc::Status::OK;
  };
  const auto client = Connect();
  const auto stream = client->WatchRun(v1::WatchRunRequest());
  v1::RunProgress progress;
  EXPECT_EQ(NextEvent(*stream, &progress), StreamEvent::kMessage);
  EXPECT_EQ(NextEvent(*stream, &progress), StreamEvent::kReconnecting);
  EXPECT_EQ(stream->reason(), "no owner at the moment");
  EXPECT_EQ(NextEvent(*stream, &progress), StreamEvent::kMessage);
  EXPECT_EQ(progress.task_count(), 2);
  EXPECT_EQ(NextEvent(*stream, &progress), StreamEvent::kEnd);
  EXPECT_TRUE(stream->status().ok());
}

TEST_F(ClientTest, EndsAWatchThatIsRefused) {
  server_.service.on_WatchRun = [](const v1::WatchRunRequest&,
                                   grpc::ServerWriter<v1::RunProgress>*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such run");
  };
  const auto client = Connect();
  const auto stream = client->WatchRun(v1::WatchRunRequest());
  v1::RunProgress progress;
  EXPECT_EQ(NextEvent(*stream, &progress), StreamEvent::kEnd);
  EXPECT_EQ(ExitCodeOf(stream->status()), ExitCode::kRefused);
}

TEST_F(ClientTest, ResumesLogsAtTheRightByte) {
  Mutex mu;
  std::vector<std::string> asked;
  server_.service.on_ReadLogs = [&](const v1::ReadLogsRequest& request,
                                    grpc::ServerWriter<v1::LogRecord>* writer) {
    MutexLock lock(&mu);
    asked.push_back(request.ShortDebugString());
    v1::LogRecord record;
    record.set_attempt(5);
    record.set_offset(100 + 4 * static_cast<int64_t>(asked.size() - 1));
    record.set_data("line");
    writer->Write(record);
    return asked.size() == 1 ? kGone : grpc::Status::OK;
  };
  const auto client = Connect();
  v1::ReadLogsRequest request;
  request.set_tail_bytes(50);
  const auto stream = client->ReadLogs(request);
  v1::LogRecord record;
  EXPECT_EQ(NextEvent(*stream, &record), StreamEvent::kMessage);
  EXPECT_EQ(NextEvent(*stream, &record), StreamEvent::kReconnecting);
  EXPECT_EQ(NextEvent(*stream, &record), StreamEvent::kMessage);
  EXPECT_EQ(NextEvent(*stream, &record), StreamEvent::kEnd);
  MutexLock lock(&mu);
  EXPECT_THAT(asked, ElementsAre("tail_bytes: 50", "attempt: 5 offset: 104"));
}

TEST_F(ClientTest, LetsGoOfAStreamThatIsStillOpen) {
  server_.service.on_WatchRun = [](const v1::WatchRunRequest&,
                                   grpc::ServerWriter<v1::RunProgress>* writer) {
    while (writer->Write(v1::RunProgress())) {
    }
    return grpc::Status::OK;
  };
  const auto client = Connect();
  auto stream = client->WatchRun(v1::WatchRunRequest());
  v1::RunProgress progress;
  EXPECT_EQ(NextEvent(*stream, &progress), StreamEvent::kMessage);
  stream.reset();
}

}  // namespace
}  // namespace penstock::client
