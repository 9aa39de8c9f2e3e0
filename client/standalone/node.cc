#include "client/standalone/node.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "client/standalone/http_probe.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/process/process_tree.h"
#include "common/process/spawn.h"

namespace penstock::client {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kFirstPause = absl::Milliseconds(500);
constexpr absl::Duration kLongestPause = absl::Seconds(30);
constexpr absl::Duration kStableLife = absl::Minutes(1);
constexpr absl::Duration kProbeTimeout = absl::Seconds(1);
constexpr std::streamoff kLogTailBytes = 4096;

fs::path ProgramOf(pid_t pid) {
  std::error_code error;
  return fs::read_symlink(fmt::format("/proc/{}/exe", pid), error);
}

std::vector<process::PidIdentity> FindGuardians(pid_t worker) {
  std::vector<process::PidIdentity> guardians;
  const fs::path program = ProgramOf(worker);
  const fs::path guardian = program.parent_path() / "penstock-guardian";
  for (const process::ProcessStat& stat : process::ListProcesses()) {
    if (stat.parent != worker || program.empty()) continue;
    const fs::path own = ProgramOf(stat.pid);
    if (own != program && own != guardian) continue;
    if (auto id = process::Identify(stat.pid)) guardians.push_back(*id);
  }
  return guardians;
}

}  // namespace

RestartPolicy::RestartPolicy(uint64_t seed) : backoff_(kFirstPause, kLongestPause, seed) {}

absl::Duration RestartPolicy::PauseAfter(absl::Duration lived) {
  if (lived >= kStableLife) backoff_.Reset();
  return backoff_.Next();
}

std::string DescribeEnd(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exit code {}", WEXITSTATUS(wait_status));
  const int signal = WTERMSIG(wait_status);
  return fmt::format("signal {} ({})", signal, strsignal(signal));
}

Node::Node(Spec spec, const Clock& clock)
    : spec_(std::move(spec)), clock_(clock), policy_(static_cast<uint64_t>(RandomId())) {}

absl::Status Node::Start() {
  process::ProcessSpec program;
  program.argv = spec_.argv;
  program.log_file = spec_.log_file;
  program.death_signal = SIGKILL;
  started_at_ = clock_.Steady();
  const auto started = process::SpawnDaemon(program);
  if (!started.ok()) {
    PlanRestart();
    return MakeStatus(
        started.status().code(),
        fmt::format("{}: {}: {}", spec_.name, Message(started.status()), LastLogLine()));
  }
  identity_ = *started;
  running_ = true;
  restart_at_ = SteadyTime::Infinite();
  return absl::OkStatus();
}

void Node::PlanRestart() {
  const SteadyTime now = clock_.Steady();
  restart_at_ = now + policy_.PauseAfter(now - started_at_);
}

std::optional<std::string> Node::Reap() {
  int status = 0;
  if (!running_ || waitpid(identity_.pid, &status, WNOHANG) == 0) return std::nullopt;
  running_ = false;
  PlanRestart();
  return DescribeEnd(status);
}

void Node::Signal(int signal) const {
  if (running_) process::SendSignal(identity_, signal);
}

bool Node::Ready() const { return running_ && HttpOk(spec_.http_port, "/readyz", kProbeTimeout); }

std::string Node::LastLogLine() const {
  std::ifstream in(spec_.log_file, std::ios::ate);
  in.seekg(std::max<std::streamoff>(0, in.tellg() - kLogTailBytes));
  std::string line, last;
  while (std::getline(in, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

NodeState Node::Describe() const {
  NodeState state{spec_.name, identity_, spec_.grpc_port, spec_.http_port, spec_.log_file, {}};
  if (running_ && spec_.grpc_port == 0) state.guardians = FindGuardians(identity_.pid);
  return state;
}

}  // namespace penstock::client
