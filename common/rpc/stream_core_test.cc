#include "common/rpc/stream_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "common/service/event.h"
#include "common/service/executor.h"
#include "common/testing/status_matchers.h"

namespace penstock::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;
using Core = StreamCore<std::string, std::string>;

// Records what the core asks for; the test answers by hand.
class ManualTransport : public StreamTransport<std::string, std::string> {
 public:
  void StartRead(std::string* message) override { reading = message; }
  void StartWrite(const std::string* message) override { writing = *message; }
  void StartHalfClose() override { half_closed = true; }
  void StartFinish(const absl::Status& status) override { finished = status; }
  void TryCancel() override { cancelled = true; }

  std::string* reading = nullptr;
  std::optional<std::string> writing;
  bool half_closed = false;
  std::optional<absl::Status> finished;
  bool cancelled = false;
};

class RecordingHandler : public StreamHandler<std::string> {
 public:
  bool OnMessage(std::string message) override {
    messages.push_back(std::move(message));
    if (on_message) on_message();
    return read_on;
  }
  bool OnHalfClose() override { return close_on_half_close; }
  void OnWritable() override { ++writable; }
  void OnClosed(const absl::Status& status) override { closed = status; }

  bool read_on = true;
  bool close_on_half_close = true;
  std::function<void()> on_message;
  std::vector<std::string> messages;
  int writable = 0;
  std::optional<absl::Status> closed;
};

class StreamCoreTest : public ::testing::Test {
 protected:
  void Open(StreamRole role, QueueLimits limits = {}, OutQueue<std::string>::Merge merge = {}) {
    core_ = std::make_shared<Core>(
        role, limits, [](const std::string& text) { return text.size(); }, std::move(merge));
    core_->Open(&transport_, handler_);
  }
  void Receive(const std::string& text) {
    ASSERT_NE(transport_.reading, nullptr);
    *std::exchange(transport_.reading, nullptr) = text;
    core_->OnReadDone(true);
  }
  void EndReading() {
    ASSERT_NE(transport_.reading, nullptr);
    transport_.reading = nullptr;
    core_->OnReadDone(false);
  }
  std::string Written(bool ok = true) {
    std::string text = transport_.writing.value_or("nothing");
    transport_.writing.reset();
    core_->OnWriteDone(ok);
    return text;
  }

  ManualTransport transport_;
  const std::shared_ptr<RecordingHandler> handler_ = std::make_shared<RecordingHandler>();
  std::shared_ptr<Core> core_;
};

TEST_F(StreamCoreTest, ReadsOneMessageAfterAnother) {
  Open(StreamRole::kServer);
  Receive("a");
  Receive("b");
  EXPECT_THAT(handler_->messages, ElementsAre("a", "b"));
  EXPECT_NE(transport_.reading, nullptr);
}

TEST_F(StreamCoreTest, WritesOneAtATimeInOrder) {
  Open(StreamRole::kServer);
  EXPECT_TRUE(core_->Send("a"));
  EXPECT_TRUE(core_->Send("b"));
  EXPECT_EQ(Written(), "a");
  EXPECT_EQ(Written(), "b");
  EXPECT_FALSE(transport_.writing.has_value());
}

TEST_F(StreamCoreTest, MergesWhatWaits) {
  Open(StreamRole::kServer, {}, [](std::string& last, std::string& next) {
    last += next;
    return true;
  });
  for (const char* text : {"a", "b", "c", "d"}) EXPECT_TRUE(core_->Send(text));
  EXPECT_EQ(Written(), "a");
  EXPECT_EQ(Written(), "bcd");
}

TEST_F(StreamCoreTest, RefusesWhenFullAndTellsWhenThereIsRoom) {
  Open(StreamRole::kServer, {2, 100});
  EXPECT_TRUE(core_->Send("in flight"));
  EXPECT_TRUE(core_->Send("1"));
  EXPECT_TRUE(core_->Send("2"));
  EXPECT_FALSE(core_->Send("3"));
  EXPECT_EQ(handler_->writable, 0);
  Written();
  EXPECT_EQ(handler_->writable, 1);
  EXPECT_TRUE(core_->Send("4"));
  Written();
  EXPECT_EQ(handler_->writable, 1) << "told once for one refusal";
}

TEST_F(StreamCoreTest, RefusesByBytesButLetsOneLargeMessagePass) {
  Open(StreamRole::kServer, {10, 5});
  EXPECT_TRUE(core_->Send("1"));
  EXPECT_TRUE(core_->Send("larger than the bound"));
  EXPECT_FALSE(core_->Send("2"));
}

TEST_F(StreamCoreTest, PausesReadingUntilResumed) {
  Open(StreamRole::kServer);
  handler_->read_on = false;
  Receive("a");
  EXPECT_EQ(transport_.reading, nullptr);
  core_->ResumeReads();
  EXPECT_NE(transport_.reading, nullptr);
}

TEST_F(StreamCoreTest, AResumeBeforeTheHandlerReturnsIsNotLost) {
  Open(StreamRole::kServer);
  handler_->read_on = false;
  handler_->on_message = [&] { core_->ResumeReads(); };
  Receive("a");
  EXPECT_NE(transport_.reading, nullptr);
}

TEST_F(StreamCoreTest, ServerCloseWritesTheQueueThenFinishes) {
  Open(StreamRole::kServer);
  core_->Send("a");
  core_->Send("b");
  core_->Close(MakeStatus(absl::StatusCode::kAborted, "moved"));
  EXPECT_FALSE(core_->Send("c"));
  EXPECT_EQ(Written(), "a");
  EXPECT_FALSE(transport_.finished.has_value());
  EXPECT_EQ(Written(), "b");
  ASSERT_TRUE(transport_.finished.has_value());
  EXPECT_THAT(*transport_.finished, StatusIs(absl::StatusCode::kAborted, "moved"));
  EndReading();
  core_->OnDone(nullptr);
  EXPECT_THAT(*handler_->closed, StatusIs(absl::StatusCode::kAborted, "moved"));
}

TEST_F(StreamCoreTest, AClientsHalfCloseEndsTheServersStreamAsOk) {
  Open(StreamRole::kServer);
  core_->Send("last");
  EndReading();
  EXPECT_EQ(Written(), "last");
  ASSERT_TRUE(transport_.finished.has_value());
  EXPECT_THAT(*transport_.finished, IsOk());
}

TEST_F(StreamCoreTest, AHandlerMayKeepAHalfClosedStreamOpen) {
  Open(StreamRole::kServer);
  handler_->close_on_half_close = false;
  EndReading();
  EXPECT_FALSE(transport_.finished.has_value());
  EXPECT_TRUE(core_->Send("answer"));
  EXPECT_EQ(Written(), "answer");
  core_->Close(absl::OkStatus());
  EXPECT_TRUE(transport_.finished.has_value());
}

TEST_F(StreamCoreTest, APeerThatVanishesEndsTheStreamAsCancelled) {
  Open(StreamRole::kServer);
  core_->Send("a");
  core_->Send("b");
  core_->OnPeerCancelled();
  EXPECT_FALSE(transport_.finished.has_value()) << "a write is in flight";
  EndReading();
  Written(false);
  EXPECT_FALSE(transport_.writing.has_value()) << "b is dropped";
  EXPECT_TRUE(transport_.finished.has_value());
  core_->OnDone(nullptr);
  EXPECT_THAT(*handler_->closed, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StreamCoreTest, CancelDropsTheQueueAndReportsItsReason) {
  Open(StreamRole::kServer);
  core_->Send("a");
  core_->Send("b");
  core_->Cancel(MakeStatus(absl::StatusCode::kUnavailable, "too slow"));
  EXPECT_TRUE(transport_.cancelled);
  Written(false);
  EXPECT_TRUE(transport_.finished.has_value());
  EndReading();
  core_->OnDone(nullptr);
  EXPECT_THAT(*handler_->closed, StatusIs(absl::StatusCode::kUnavailable, "too slow"));
}

TEST_F(StreamCoreTest, NothingIsDeliveredAfterACancel) {
  Open(StreamRole::kClient);
  core_->Cancel(MakeStatus(absl::StatusCode::kCancelled, "enough"));
  Receive("late");
  EXPECT_THAT(handler_->messages, IsEmpty());
  EndReading();
  EXPECT_TRUE(transport_.finished.has_value());
}

TEST_F(StreamCoreTest, ClientCloseHalfClosesAfterTheQueueAndWaitsForTheServer) {
  Open(StreamRole::kClient);
  core_->Send("a");
  core_->Close(absl::OkStatus());
  EXPECT_FALSE(transport_.half_closed);
  EXPECT_EQ(Written(), "a");
  EXPECT_TRUE(transport_.half_closed);
  core_->OnWriteDone(true);
  Receive("still reading");
  EXPECT_FALSE(transport_.finished.has_value());
  EndReading();
  ASSERT_TRUE(transport_.finished.has_value());
  const absl::Status status = MakeStatus(absl::StatusCode::kNotFound, "no such domain");
  core_->OnDone(&status);
  EXPECT_THAT(*handler_->closed, StatusIs(absl::StatusCode::kNotFound, "no such domain"));
}

TEST_F(StreamCoreTest, AClientReadsOnAfterABrokenWrite) {
  Open(StreamRole::kClient);
  core_->Send("a");
  Written(false);
  EXPECT_FALSE(core_->Send("b"));
  Receive("the server's last words");
  EXPECT_THAT(handler_->messages, ElementsAre("the server's last words"));
  EXPECT_FALSE(transport_.finished.has_value());
  EndReading();
  EXPECT_TRUE(transport_.finished.has_value());
}

TEST_F(StreamCoreTest, AWriterNeverReads) {
  Open(StreamRole::kServerWriter);
  EXPECT_EQ(transport_.reading, nullptr);
  core_->Send("a");
  EXPECT_EQ(Written(), "a");
  EXPECT_FALSE(transport_.finished.has_value());
  core_->Close(absl::OkStatus());
  EXPECT_TRUE(transport_.finished.has_value());
}

TEST_F(StreamCoreTest, WorksBeforeOpenAndAfterTheEnd) {
  core_ = std::make_shared<Core>(
      StreamRole::kServer, QueueLimits{}, [](const std::string& text) { return text.size(); },
      nullptr);
  EXPECT_TRUE(core_->Send("early"));
  core_->Close(absl::OkStatus());
  core_->Open(&transport_, handler_);
  EXPECT_EQ(Written(), "early");
  EXPECT_TRUE(transport_.finished.has_value());
  core_->OnDone(nullptr);
  EXPECT_FALSE(core_->Send("late"));
  core_->Close(absl::OkStatus());
  core_->Cancel(absl::OkStatus());
  core_->ResumeReads();
}

TEST_F(StreamCoreTest, LetsTheHandlerGoAtTheEnd) {
  Open(StreamRole::kServer);
  core_->Close(absl::OkStatus());
  EndReading();
  EXPECT_GT(handler_.use_count(), 1);
  core_->OnDone(nullptr);
  EXPECT_EQ(handler_.use_count(), 1);
}

// Two cores joined by an executor that stands for gRPC's threads; for ThreadSanitizer above all.
class Pipe {
 public:
  explicit Pipe(service::Executor& threads) : threads_(threads) {}

  void Write(const std::string& message) {
    MutexLock lock(&mu_);
    messages_.push_back(message);
    Match();
  }
  void Read(std::string* into, std::function<void(bool)> done) {
    MutexLock lock(&mu_);
    into_ = into;
    done_ = std::move(done);
    Match();
  }
  void End() {
    MutexLock lock(&mu_);
    ended_ = true;
    Match();
  }

 private:
  void Match() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!done_ || (messages_.empty() && !ended_)) return;
    const bool ok = !messages_.empty();
    if (ok) *into_ = std::move(messages_.front());
    if (ok) messages_.pop_front();
    ASSERT_TRUE(threads_.TryPost([done = std::exchange(done_, nullptr), ok] { done(ok); }));
  }

  service::Executor& threads_;
  Mutex mu_;
  std::deque<std::string> messages_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  std::string* into_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::function<void(bool)> done_ ABSL_GUARDED_BY(mu_);
};

class PipeTransport : public StreamTransport<std::string, std::string> {
 public:
  PipeTransport(service::Executor& threads, Pipe& in, Pipe& out)
      : threads_(threads), in_(in), out_(out) {}
  void Attach(Core* core) { core_ = core; }

  void StartRead(std::string* message) override {
    in_.Read(message, [this](bool ok) { core_->OnReadDone(ok); });
  }
  void StartWrite(const std::string* message) override {
    out_.Write(*message);
    ASSERT_TRUE(threads_.TryPost([this] { core_->OnWriteDone(true); }));
  }
  void StartHalfClose() override {
    out_.End();
    ASSERT_TRUE(threads_.TryPost([this] { core_->OnWriteDone(true); }));
  }
  void StartFinish(const absl::Status&) override {
    out_.End();
    finished.Set();
  }
  void TryCancel() override {}

  service::Event finished;

 private:
  service::Executor& threads_;
  Pipe& in_;
  Pipe& out_;
  Core* core_ = nullptr;
};

// Hands each message to a thread of its own and resumes from there.
class SlowHandler : public StreamHandler<std::string> {
 public:
  SlowHandler(service::Executor& threads, std::shared_ptr<Stream<std::string>> stream, bool echo)
      : threads_(threads), stream_(std::move(stream)), echo_(echo) {}
  bool OnMessage(std::string message) override {
    return !threads_.TryPost([this, message = std::move(message)] {
      total_ += message.size();
      if (echo_) stream_->Send(message);
      stream_->ResumeReads();
    });
  }
  void OnClosed(const absl::Status&) override {}
  size_t total() const { return total_; }

 private:
  service::Executor& threads_;
  const std::shared_ptr<Stream<std::string>> stream_;
  const bool echo_;
  size_t total_ = 0;  // no lock: one message at a time
};

TEST(StreamCorePairTest, CarriesEverythingBothWaysUnderConcurrentSenders) {
  service::Executor threads({"grpc", 3, 10'000});
  service::Executor workers({"work", 3, 10'000});
  Pipe to_server(threads);
  Pipe to_client(threads);
  PipeTransport server_side(threads, to_server, to_client);
  PipeTransport client_side(threads, to_client, to_server);
  const auto size_of = [](const std::string& text) { return text.size(); };
  const auto merge = [](std::string& last, std::string& next) {
    last += next;
    return true;
  };
  const auto server = std::make_shared<Core>(StreamRole::kServer, QueueLimits{}, size_of, merge);
  const auto client = std::make_shared<Core>(StreamRole::kClient, QueueLimits{}, size_of, merge);
  server_side.Attach(server.get());
  client_side.Attach(client.get());
  const auto at_server = std::make_shared<SlowHandler>(workers, server, true);
  const auto at_client = std::make_shared<SlowHandler>(workers, client, false);
  server->Open(&server_side, at_server);
  client->Open(&client_side, at_client);

  service::Executor senders({"send", 3, 10});
  for (int s = 0; s < 3; ++s) {
    ASSERT_TRUE(senders.TryPost([&] {
      for (int i = 0; i < 2000; ++i) {
        ASSERT_TRUE(client->Send("x"));
      }
    }));
  }
  senders.Shutdown();
  client->Close(absl::OkStatus());
  ASSERT_TRUE(server_side.finished.WaitFor(absl::Seconds(30)));
  ASSERT_TRUE(client_side.finished.WaitFor(absl::Seconds(30)));
  workers.Shutdown();
  threads.Shutdown();
  EXPECT_EQ(at_server->total(), 6000u);
  EXPECT_EQ(at_client->total(), 6000u);
  server->OnDone(nullptr);
  const absl::Status ok;
  client->OnDone(&ok);
}

}  // namespace
}  // namespace penstock::rpc
