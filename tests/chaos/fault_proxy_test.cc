#include "tests/chaos/fault_proxy.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/service/thread.h"
#include "common/testing/loopback_socket.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace penstock::chaos {
namespace {

using ::testing::HasSubstr;

TEST(ApplyCommandTest, ReadsAllCommands) {
  ProxyState state;
  ASSERT_TRUE(ApplyCommand("delay 5", &state).ok());
  EXPECT_EQ(state.up.delay, absl::Milliseconds(5));
  EXPECT_EQ(state.down.delay, absl::Milliseconds(5));
  ASSERT_TRUE(ApplyCommand("rate 1000 down", &state).ok());
  EXPECT_EQ(state.up.bytes_per_second, 0);
  EXPECT_EQ(state.down.bytes_per_second, 1000);
  ASSERT_TRUE(ApplyCommand("stall up", &state).ok());
  EXPECT_TRUE(state.up.stalled);
  EXPECT_FALSE(state.down.stalled);
  ASSERT_TRUE(ApplyCommand("reset", &state).ok());
  ASSERT_TRUE(ApplyCommand("refuse", &state).ok());
  EXPECT_TRUE(state.refuse);
  ASSERT_TRUE(ApplyCommand("pass", &state).ok());
  EXPECT_FALSE(state.refuse || state.up.stalled);
  EXPECT_EQ(state.down.delay, absl::ZeroDuration());
  EXPECT_EQ(state.resets, 1);  // said once, done once
}

TEST(ApplyCommandTest, RefusesTheRest) {
  ProxyState state;
  for (const char* line : {"", "delay", "delay x", "delay -1", "rate 5 left", "stall up down",
                           "explode", "pass now", "delay 1 up up"}) {
    EXPECT_THAT(ApplyCommand(line, &state).message(), HasSubstr("expected pass")) << line;
  }
}

// A server that says everything back, behind a proxy, and one client of it.
class FaultProxyTest : public ::testing::Test {
 protected:
  FaultProxyTest() {
    auto proxy = FaultProxy::Listen({"127.0.0.1", 0, false},
                                    {"127.0.0.1", testing::LocalPort(server_), false}, RealClock());
    EXPECT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    carrier_ = std::make_unique<service::Thread>("proxy", [this] { proxy_->Run(); });
    echo_ = std::make_unique<service::Thread>("echo", [this] { Echo(); });
  }
  ~FaultProxyTest() override {
    shutdown(server_.get(), SHUT_RDWR);
    proxy_->Stop();
    carrier_->Join();
    echo_->Join();
  }

  void Echo() {
    for (;;) {
      const process::UniqueFd peer(accept(server_.get(), nullptr, nullptr));
      if (!peer) return;
      std::string bytes(1 << 16, '\0');
      for (ssize_t count = 0; (count = read(peer.get(), bytes.data(), bytes.size())) > 0;) {
        if (!process::WriteAll(peer.get(), {bytes.data(), static_cast<size_t>(count)})) break;
      }
    }
  }

  process::UniqueFd Connect() {
    process::UniqueFd fd = testing::ConnectToLoopback(proxy_->port());
    EXPECT_TRUE(fd);
    return fd;
  }
  // Sends, and reads as much back. What came before the end of the connection.
  static std::string Say(int fd, const std::string& text) {
    std::string answer(text.size(), '\0');
    size_t at = 0;
    if (!process::WriteAll(fd, text)) return "";
    while (at < text.size()) {
      const ssize_t count = read(fd, answer.data() + at, answer.size() - at);
      if (count <= 0) break;
      at += static_cast<size_t>(count);
    }
    return answer.substr(0, at);
  }
  void Command(std::string_view line) {
    EXPECT_TRUE(ApplyCommand(line, &state_).ok());
    proxy_->Set(state_);
  }

  const process::UniqueFd server_ = testing::ListenOnLoopback();
  std::unique_ptr<FaultProxy> proxy_;
  std::unique_ptr<service::Thread> carrier_, echo_;
  ProxyState state_;
};

TEST_F(FaultProxyTest, CarriesBytesBothWays) {
  const process::UniqueFd client = Connect();
  const std::string text(3'000'000, 'x');
  service::Thread writer("writer", [&] { EXPECT_TRUE(process::WriteAll(client.get(), text)); });
  size_t got = 0;
  std::string buffer(1 << 16, '\0');
  while (got < text.size()) {
    const ssize_t count = read(client.get(), buffer.data(), buffer.size());
    ASSERT_GT(count, 0);
    got += static_cast<size_t>(count);
  }
}

TEST_F(FaultProxyTest, DelaysEachWay) {
  const process::UniqueFd client = Connect();
  Command("delay 20");
  EXPECT_EQ(Say(client.get(), "a"), "a");  // the command has certainly been seen by now
  const SteadyTime begin = RealClock().Steady();
  EXPECT_EQ(Say(client.get(), "b"), "b");
  EXPECT_GE(RealClock().Steady() - begin, absl::Milliseconds(39));
}

TEST_F(FaultProxyTest, StalledBytesArriveLater) {
  const process::UniqueFd client = Connect();
  EXPECT_EQ(Say(client.get(), "a"), "a");
  Command("stall down");
  service::Thread later("later", [this] {
    absl::SleepFor(absl::Milliseconds(50));
    Command("pass");
  });
  EXPECT_EQ(Say(client.get(), "b"), "b");
}

TEST_F(FaultProxyTest, ResetsAndRefuses) {
  const process::UniqueFd client = Connect();
  EXPECT_EQ(Say(client.get(), "a"), "a");
  Command("reset");
  char byte = 0;
  EXPECT_LE(read(client.get(), &byte, 1), 0);
  const process::UniqueFd second = Connect();
  EXPECT_EQ(Say(second.get(), "b"), "b");
  Command("refuse");
  EXPECT_LE(read(second.get(), &byte, 1), 0);
  const process::UniqueFd third = Connect();
  EXPECT_LE(read(third.get(), &byte, 1), 0);
  Command("pass");
  const process::UniqueFd fourth = Connect();
  EXPECT_EQ(Say(fourth.get(), "c"), "c");
}

}  // namespace
}  // namespace penstock::chaos
