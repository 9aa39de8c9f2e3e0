// The layer on real gRPC, over loopback: in one process, on ports that the system picks.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_log.h"
#include "common/rpc/server.h"
#include "common/rpc/stream.h"
#include "common/rpc/testing/echo.grpc.pb.h"
#include "common/rpc/unary.h"
#include "common/service/event.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_signal.h"

namespace penstock::rpc {
namespace {

using penstock::testing::IsOk;
using penstock::testing::StatusIs;
using penstock::testing::TestSignal;
using testing::Echo;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Note;

Note NoteOf(int64_t number) {
  Note note;
  note.set_number(number);
  return note;
}

// Collects what arrives; the test waits on its signal ("message", "closed").
class Collector : public StreamHandler<Note> {
 public:
  bool OnMessage(Note note) override {
    {
      MutexLock lock(&mu_);
      numbers_.push_back(note.number());
    }
    signal.Announce("message");
    return true;
  }
  void OnWritable() override { signal.Announce("writable"); }
  void OnClosed(const absl::Status& status) override {
    {
      MutexLock lock(&mu_);
      status_ = status;
    }
    signal.Announce("closed");
  }
  std::vector<int64_t> numbers() const {
    MutexLock lock(&mu_);
    return numbers_;
  }
  absl::Status status() const {
    MutexLock lock(&mu_);
    return status_;
  }

  TestSignal signal;

 private:
  mutable Mutex mu_;
  std::vector<int64_t> numbers_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

// Sends back what it receives; a negative number closes the stream as ABORTED.
class EchoHandler : public StreamHandler<Note> {
 public:
  EchoHandler(std::shared_ptr<Stream<Note>> stream, TestSignal* signal)
      : stream_(std::move(stream)), signal_(signal) {}
  bool OnMessage(Note note) override {
    if (note.number() < 0) {
      stream_->Close(MakeStatus(absl::StatusCode::kAborted, "negative"));
    } else {
      stream_->Send(std::move(note));
    }
    return true;
  }
  void OnClosed(const absl::Status& status) override {
    signal_->Announce(std::string("served ") + absl::StatusCodeToString(status.code()));
  }

 private:
  const std::shared_ptr<Stream<Note>> stream_;
  TestSignal* const signal_;
};

class WatchHandler : public StreamHandler<NoMessage> {
 public:
  explicit WatchHandler(TestSignal* signal) : signal_(signal) {}
  bool OnMessage(NoMessage) override { return false; }
  void OnClosed(const absl::Status&) override { signal_->Announce("watch closed"); }

 private:
  TestSignal* const signal_;
};

class EchoService : public Echo::CallbackService {
 public:
  explicit EchoService(service::Executor& executor) : executor_(executor) {}

  grpc::ServerUnaryReactor* Once(grpc::CallbackServerContext* context, const Note* request,
                                 Note* response) override {
    last_context = context;
    return RunUnary(context, executor_, [this, request, response]() -> absl::Status {
      ++calls;
      signal.Announce("running");
      if (hold) release.Wait();
      if (request->number() < 0) return MakeStatus(absl::StatusCode::kOutOfRange, "negative");
      response->set_number(request->number());
      return absl::OkStatus();
    });
  }
  grpc::ServerBidiReactor<Note, Note>* Talk(grpc::CallbackServerContext* context) override {
    return AcceptStream<Note, Note>(context, {}, [this](std::shared_ptr<Stream<Note>> stream) {
      return std::make_shared<EchoHandler>(std::move(stream), &signal);
    });
  }
  grpc::ServerWriteReactor<Note>* Count(grpc::CallbackServerContext* context,
                                        const Note* request) override {
    const int64_t last = request->number();
    return AcceptWriter<Note>(context, {}, [this, last](std::shared_ptr<Stream<Note>> stream) {
      for (int64_t i = 1; i <= last; ++i) stream->Send(NoteOf(i));
      if (last > 0) stream->Close(absl::OkStatus());
      return std::make_shared<WatchHandler>(&signal);
    });
  }

  std::atomic<bool> hold{false};
  std::atomic<int> calls{0};
  std::atomic<grpc::CallbackServerContext*> last_context{nullptr};
  service::Event release;
  TestSignal signal;

 private:
  service::Executor& executor_;
};

class RpcTest : public ::testing::Test {
 protected:
  void SetUp() override { Start("127.0.0.1:0"); }

  void Start(const std::string& address) {
    ServerOptions options;
    options.addresses = {address};
    auto server = Server::Start(options, {&service_});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    stub_ = Echo::NewStub(channels_.Get(server_->addresses()[0]));
  }

  std::shared_ptr<Stream<Note>> Talk() {
    return OpenStream<Note, Note>(
        [&](grpc::ClientContext* context, grpc::ClientBidiReactor<Note, Note>* reactor) {
          stub_->async()->Talk(context, reactor);
        },
        {}, [&](const std::shared_ptr<Stream<Note>>&) { return client_; });
  }

  absl::Status Once(int64_t number, int64_t* answer = nullptr) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    Note response;
    absl::Status status = FromGrpc(stub_->Once(&context, NoteOf(number), &response));
    if (answer != nullptr) *answer = response.number();
    return status;
  }

  service::Executor executor_{{"handlers", 1, 1}};
  EchoService service_{executor_};
  ChannelCache channels_{ChannelOptions{}};
  std::unique_ptr<Server> server_;
  std::unique_ptr<Echo::Stub> stub_;
  const std::shared_ptr<Collector> client_ = std::make_shared<Collector>();
};

TEST_F(RpcTest, AnswersUnaryCallsAndTheirErrors) {
  int64_t answer = 0;
  EXPECT_THAT(Once(7, &answer), IsOk());
  EXPECT_EQ(answer, 7);
  EXPECT_THAT(Once(-1), StatusIs(absl::StatusCode::kOutOfRange, "negative"));
}

TEST_F(RpcTest, AFullQueueIsResourceExhaustedWithARetryHint) {
  service_.hold = true;
  service::Executor clients({"clients", 2, 2});
  ASSERT_TRUE(clients.TryPost([&] { EXPECT_THAT(Once(1), IsOk()); }));
  ASSERT_TRUE(service_.signal.WaitFor("running"));
  ASSERT_TRUE(executor_.TryPost([] {}));  // takes the only place in the queue
  const absl::Status refused = Once(3);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("queue is full")));
  EXPECT_TRUE(RetryAfter(refused).has_value());
  service_.release.Set();
  clients.Shutdown();
}

TEST_F(RpcTest, ACallThatNobodyWaitsForDoesNotRun) {
  service::Event running;
  service::Event release;
  ASSERT_TRUE(executor_.TryPost([&] {
    running.Set();
    release.Wait();
  }));
  running.Wait();
  grpc::ClientContext context;
  service::Executor clients({"clients", 1, 1});
  ASSERT_TRUE(clients.TryPost([&] {
    Note response;
    EXPECT_THAT(FromGrpc(stub_->Once(&context, NoteOf(1), &response)),
                StatusIs(absl::StatusCode::kCancelled));
  }));
  while (executor_.QueueLength() == 0) sched_yield();  // the call waits for its turn
  context.TryCancel();
  clients.Shutdown();
  while (!service_.last_context.load()->IsCancelled()) sched_yield();
  release.Set();
  executor_.Shutdown();
  EXPECT_EQ(service_.calls, 0);
}

TEST_F(RpcTest, ADroppedCallEndsAsUnavailable) {
  service::Event running;
  service::Event release;
  ASSERT_TRUE(executor_.TryPost([&] {
    running.Set();
    release.Wait();
  }));
  running.Wait();
  service::Executor clients({"clients", 2, 2});
  ASSERT_TRUE(clients.TryPost([&] {
    EXPECT_THAT(Once(1), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shutting down")));
  }));
  while (executor_.QueueLength() == 0) sched_yield();
  ASSERT_TRUE(clients.TryPost([&] { executor_.Shutdown(service::Executor::Pending::kDrop); }));
  while (!executor_.stopped()) sched_yield();
  release.Set();
  clients.Shutdown();
}

TEST_F(RpcTest, AStreamCarriesMessagesBothWaysAndEndsPolitely) {
  const auto stream = Talk();
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(stream->Send(NoteOf(i)));
  ASSERT_TRUE(client_->signal.WaitFor("message", 3));
  stream->Close(absl::OkStatus());
  ASSERT_TRUE(client_->signal.WaitFor("closed"));
  EXPECT_THAT(client_->status(), IsOk());
  EXPECT_THAT(client_->numbers(), ElementsAre(1, 2, 3));
  EXPECT_TRUE(service_.signal.WaitFor("served OK"));
  EXPECT_FALSE(stream->Send(NoteOf(4)));
}

TEST_F(RpcTest, TheServersStatusReachesTheClient) {
  const auto stream = Talk();
  stream->Send(NoteOf(-1));
  ASSERT_TRUE(client_->signal.WaitFor("closed"));
  EXPECT_THAT(client_->status(), StatusIs(absl::StatusCode::kAborted, "negative"));
  EXPECT_TRUE(service_.signal.WaitFor("served ABORTED"));
}

TEST_F(RpcTest, ACancelledStreamEndsOnBothSides) {
  const auto stream = Talk();
  stream->Send(NoteOf(1));
  ASSERT_TRUE(client_->signal.WaitFor("message"));
  stream->Cancel(MakeStatus(absl::StatusCode::kUnavailable, "owner moved"));
  ASSERT_TRUE(client_->signal.WaitFor("closed"));
  EXPECT_THAT(client_->status(), StatusIs(absl::StatusCode::kUnavailable, "owner moved"));
  EXPECT_TRUE(service_.signal.WaitFor("served CANCELLED"));
}

TEST_F(RpcTest, ShutdownEndsOpenStreams) {
  const auto stream = Talk();
  stream->Send(NoteOf(1));
  ASSERT_TRUE(client_->signal.WaitFor("message"));
  server_->Shutdown(absl::ZeroDuration());
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(service_.signal.WaitFor("served CANCELLED"));
  ASSERT_TRUE(client_->signal.WaitFor("closed"));
  EXPECT_FALSE(client_->status().ok());
}

TEST_F(RpcTest, AStreamToNowhereIsClosedAsUnavailable) {
  server_->Shutdown(absl::ZeroDuration());
  const auto stream = Talk();
  ASSERT_TRUE(client_->signal.WaitFor("closed"));
  EXPECT_THAT(client_->status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RpcTest, ManyStreamsOpenTalkAndEndAtOnce) {
  std::vector<std::shared_ptr<Stream<Note>>> streams(50);
  for (auto& stream : streams) stream = Talk();
  service::Executor senders({"senders", 4, 100});
  for (auto& stream : streams) {
    ASSERT_TRUE(senders.TryPost([&stream] {
      for (int i = 0; i < 20; ++i) stream->Send(NoteOf(i));
      stream->Close(absl::OkStatus());
    }));
  }
  senders.Shutdown();
  ASSERT_TRUE(client_->signal.WaitFor("closed", 50));
  EXPECT_EQ(client_->numbers().size(), 1000u);
}

TEST_F(RpcTest, ServerStreamingSendsAndEnds) {
  const Note request = NoteOf(5);
  OpenReader<Note>(
      [&](grpc::ClientContext* context, grpc::ClientReadReactor<Note>* reactor) {
        stub_->async()->Count(context, &request, reactor);
      },
      [&](const std::shared_ptr<Stream<NoMessage>>&) { return client_; });
  ASSERT_TRUE(client_->signal.WaitFor("closed"));
  EXPECT_THAT(client_->status(), IsOk());
  EXPECT_THAT(client_->numbers(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_TRUE(service_.signal.WaitFor("watch closed"));
}

TEST_F(RpcTest, AWatchEndsWhenItsClientGoes) {
  const Note request = NoteOf(0);  // stays open
  const auto stream = OpenReader<Note>(
      [&](grpc::ClientContext* context, grpc::ClientReadReactor<Note>* reactor) {
        stub_->async()->Count(context, &request, reactor);
      },
      [&](const std::shared_ptr<Stream<NoMessage>>&) { return client_; });
  stream->Cancel(MakeStatus(absl::StatusCode::kCancelled, "enough"));
  ASSERT_TRUE(client_->signal.WaitFor("closed"));
  EXPECT_THAT(client_->status(), StatusIs(absl::StatusCode::kCancelled, "enough"));
}

TEST_F(RpcTest, ReconnectsSoonAfterTheServerIsBack) {
  ASSERT_THAT(Once(1), IsOk());
  const std::string address = server_->addresses()[0];
  server_.reset();
  EXPECT_THAT(Once(2), StatusIs(absl::StatusCode::kUnavailable));
  const auto channel = channels_.Get(address);
  Start(address);
  EXPECT_TRUE(
      channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)));
  EXPECT_THAT(Once(3), IsOk());
}

TEST_F(RpcTest, ABusyPortIsRefusedAndNamed) {
  TestSignal logged;
  obs::LogOptions log;
  log.write = [&](std::string_view line) {
    if (line.find("Address already in use") != std::string_view::npos) logged.Announce("busy");
  };
  obs::InitLog(log);
  RouteGrpcLog();
  ServerOptions options;
  options.addresses = {server_->addresses()[0]};
  EXPECT_THAT(Server::Start(options, {}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_->addresses()[0])));
}

TEST(ServerTest, ListensOnLoopbackOnly) {
  ServerOptions options;
  options.addresses = {"0.0.0.0:0"};
  EXPECT_THAT(Server::Start(options, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("loopback")));
  options.addresses = {};
  EXPECT_THAT(Server::Start(options, {}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ChannelCacheTest, KeepsOneChannelPerAddress) {
  ChannelCache cache{ChannelOptions{}};
  const auto a = cache.Get("127.0.0.1:1");
  EXPECT_EQ(cache.Get("127.0.0.1:1"), a);
  EXPECT_NE(cache.Get("127.0.0.1:2"), a);
  EXPECT_EQ(cache.size(), 2u);
  cache.Forget("127.0.0.1:1");
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(cache.Get("127.0.0.1:1"), a);
}

TEST(ChannelCacheTest, KeepsAForgottenChannelWhileItIsUsed) {
  ChannelCache cache{ChannelOptions{}};
  auto used = cache.Get("127.0.0.1:1");
  const std::weak_ptr<grpc::Channel> watch = used;
  cache.Forget("127.0.0.1:1");
  cache.Forget("127.0.0.1:1");
  EXPECT_EQ(cache.retired(), 1u);
  used.reset();
  EXPECT_FALSE(watch.expired());
  cache.Get("127.0.0.1:2");
  EXPECT_EQ(cache.retired(), 0u);
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace penstock::rpc
