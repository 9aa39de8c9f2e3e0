// The agent while no scheduler can be reached: every connection is taken and reset at once.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "common/service/thread.h"
#include "common/testing/loopback_socket.h"
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
  explicit Resetter(int connections)
      : thread_("resetter", [this, connections] {
          for (int i = 0; i < connections; ++i) {
            const process::UniqueFd peer(accept(listener_.get(), nullptr, nullptr));
            if (!peer) return;
            const linger now{1, 0};
            (void)setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
          }
        }) {}
  ~Resetter() { shutdown(listener_.get(), SHUT_RDWR); }
  Resetter(const Resetter&) = delete;
  Resetter& operator=(const Resetter&) = delete;
  std::string address() const {
    return "127.0.0.1:" + std::to_string(testing::LocalPort(listener_));
  }
  void WaitUntilAllCame() { thread_.Join(); }

 private:
  const process::UniqueFd listener_ = testing::ListenOnLoopback();
  service::Thread thread_;  // ends with the connections or the listener
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
