// The agent while no scheduler can be reached: every connection is taken and reset at once.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "common/service/thread.h"
#include "worker/session/agent.h"

namespace penstock::worker {
namespace {

class IdleRunner final : public Runner {
 public:
  void Launch(exec::LaunchSpec) override {}
  void Kill(const KillOrder&) override {}
  void ExtendLease(DomainId, SteadyTime) override {}
  void PauseOutput(const AttemptKey&, bool) override {}
  void SetLastWords(const std::vector<SessionId>&, const std::vector<std::string>&) override {}
};

// Resets the first connections, then ends.
class Resetter {
 public:
  explicit Resetter(int connections) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, any, size), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    EXPECT_EQ(getsockname(fd_, any, &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::make_unique<service::Thread>("resetter", [this, connections] {
      for (int i = 0; i < connections; ++i) {
        const int peer = accept(fd_, nullptr, nullptr);
        if (peer < 0) return;
        const linger now{1, 0};
        (void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(peer);
      }
    });
  }
  ~Resetter() {
    shutdown(fd_, SHUT_RDWR);
    thread_->Join();
    close(fd_);
  }
  Resetter(const Resetter&) = delete;
  Resetter& operator=(const Resetter&) = delete;
  const std::string& address() const { return address_; }
  void WaitUntilAllCame() { thread_->Join(); }

 private:
  const int fd_;
  std::string address_;
  std::unique_ptr<service::Thread> thread_;
};

// gRPC 1.51 aborts when a stream's end releases the last channel on one of its own threads.
TEST(AgentRefusedTest, GoesOnTryingWhileNobodyAnswers) {
  Resetter first(25), second(25), third(25);
  Agent::Options options;
  options.schedulers = {first.address(), second.address(), third.address()};
  options.reconnect_initial = absl::Milliseconds(1);
  options.reconnect_max = absl::Milliseconds(5);
  IdleRunner runner;
  obs::Registry registry;
  Agent agent(std::move(options), RealClock(), runner, registry);
  agent.Start();
  first.WaitUntilAllCame();
  second.WaitUntilAllCame();
  third.WaitUntilAllCame();
  EXPECT_EQ(agent.Look().streams, 0);
  agent.Stop();
}

}  // namespace
}  // namespace penstock::worker
