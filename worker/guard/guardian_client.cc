#include "worker/guard/guardian_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/process/child.h"
#include "common/process/process_tree.h"
#include "common/process/spawn.h"
#include "worker/guard/legacy.h"
#include "worker/guard/packet.h"
#include "worker/guard/wire.h"

namespace penstock::worker::guard {
namespace {

using process::ChildPlan;
using process::ChildStage;
using process::ChildStart;
using process::UniqueFd;

constexpr int kReadyPatienceMs = 30'000;
constexpr int kReapPauseMs = 5;
// Forking takes the guardian a fraction of a millisecond; this is for a machine that is out of
// breath, and far below the leases that the caller's thread extends.
constexpr int kReadPatienceMs = 5'000;
constexpr absl::Duration kEndPatience = absl::Seconds(5);

absl::Status ErrnoStatus(std::string_view what, int error) {
  return MakeStatus(absl::StatusCode::kUnavailable,
                    fmt::format("{}: {}", what, std::strerror(error)));
}

std::string DefaultProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / "penstock-guardian").string();
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus("cannot create a socket pair", errno);
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::StatusOr<std::filesystem::path> MakeRoot(const std::filesystem::path& root) {
  std::error_code error;
  std::filesystem::create_directories(root, error);
  std::filesystem::path full = std::filesystem::absolute(root, error);
  if (!std::filesystem::is_directory(full, error)) {
    return MakeStatus(absl::StatusCode::kUnavailable,
                      fmt::format("cannot create the work directory {}: {}", root.string(),
                                  error ? error.message() : "not a directory"));
  }
  return full;
}

// Our own environment and the mark by which the guardian of `life` is found.
std::vector<std::string> GuardianEnvironment(const std::string& life) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  entries.push_back(fmt::format("{}={}", kGuardianVariable, life));
  return entries;
}

std::vector<const char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

absl::StatusOr<pid_t> StartProgram(const std::vector<std::string>& argv, const std::string& life,
                                   int socket) {
  const std::vector<const char*> pointers = Pointers(argv);
  const std::vector<std::string> environment = GuardianEnvironment(life);
  const std::vector<const char*> entries = Pointers(environment);
  ChildPlan plan;
  plan.argv = pointers.data();
  plan.envp = entries.data();
  plan.stdout_fd = STDERR_FILENO;
  plan.stderr_fd = STDERR_FILENO;
  plan.pass_fd = socket;
  plan.new_session = true;
  const ChildStart start = process::StartChild(plan);
  if (start.stage == ChildStage::kStarted) return start.pid;
  return ErrnoStatus(fmt::format("cannot start {}: {}", argv[0], ToString(start.stage)),
                     start.error_number);
}

// Whether the other end made room within kReadPatienceMs.
bool WaitForRoom(int socket) {
  pollfd polled{socket, POLLOUT, 0};
  int ready = 0;
  do {
    ready = poll(&polled, 1, kReadPatienceMs);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

// Whether children are left.
bool ReapSome() {
  pid_t pid = 0;
  while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) {
  }
  return pid == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GuardianClient>> GuardianClient::Start(const Options& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::filesystem::path root, MakeRoot(options.root));
  PENSTOCK_ASSIGN_OR_RETURN(auto sockets, SocketPair());
  const std::optional<process::PidIdentity> self = process::Identify(getpid());
  if (!self) return MakeStatus(absl::StatusCode::kUnavailable, "/proc is not mounted");
  std::unique_ptr<GuardianClient> client(new GuardianClient());
  client->life_ = ToString(*self);
  client->life_dir_ = root / client->life_;
  const std::vector<Legacy> legacies = FindLegacies(root);  // the guardian removes them
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const std::vector<std::string> argv = {
      options.program.empty() ? DefaultProgram() : options.program, root.string(), client->life_,
      std::to_string(kWireVersion), options.use_cgroups ? "1" : "0"};
  PENSTOCK_ASSIGN_OR_RETURN(client->pid_, StartProgram(argv, client->life_, sockets.second.get()));
  client->socket_ = std::move(sockets.first);
  sockets.second.Reset();
  PENSTOCK_RETURN_IF_ERROR(client->WaitUntilReady());
  for (const Legacy& legacy : legacies) {
    if (!NothingRuns(legacy)) continue;  // its guardian is about to speak for it
    client->dead_sessions_.insert(client->dead_sessions_.end(), legacy.sessions.begin(),
                                  legacy.sessions.end());
  }
  return client;
}

GuardianClient::~GuardianClient() {
  socket_.Reset();
  if (const auto guardian = process::Identify(pid_)) {
    process::WaitForEnd(*guardian, kEndPatience);
  }
  if (pid_ > 0) waitpid(pid_, nullptr, WNOHANG);
}

absl::Status GuardianClient::WaitUntilReady() {
  pollfd polled{socket_.get(), POLLIN, 0};
  while (poll(&polled, 1, kReadyPatienceMs) < 0 && errno == EINTR) {
  }
  Packet packet;
  if (guard::Receive(socket_.get(), &packet) != Received::kPacket) {
    return MakeStatus(absl::StatusCode::kUnavailable, "the guardian did not start");
  }
  const Ready ready = packet.As<Ready>();
  if (ready.kind != MessageKind::kReady || ready.wire_version != kWireVersion) {
    return MakeStatus(absl::StatusCode::kUnavailable, "the guardian is of a different build");
  }
  has_memory_cgroups_ = ready.memory_cgroups != 0;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint32_t>> GuardianClient::Receive() {
  std::vector<uint32_t> gone;
  Packet packet;
  Received received = Received::kNothing;
  while ((received = guard::Receive(socket_.get(), &packet)) == Received::kPacket) {
    if (packet.kind() == MessageKind::kRunnerGone) gone.push_back(packet.As<RunnerGone>().id);
  }
  if (received == Received::kClosed) {
    return MakeStatus(absl::StatusCode::kUnavailable, "the guardian died");
  }
  return gone;
}

absl::StatusOr<UniqueFd> GuardianClient::NewRunner(uint32_t id) {
  PENSTOCK_ASSIGN_OR_RETURN(auto sockets, SocketPair());
  while (!Send(socket_.get(), guard::NewRunner{MessageKind::kNewRunner, id}, {},
               {sockets.second.get()})) {
    // Hundreds asked for at once fill the socket while the guardian forks the first.
    const int error = errno;
    if (error != EAGAIN || !WaitForRoom(socket_.get())) {
      return ErrnoStatus("cannot reach the guardian", error);
    }
  }
  return std::move(sockets.first);
}

absl::Status GuardianClient::SetLastWords(const std::vector<std::string>& argv) {
  std::string body;
  for (const std::string& word : argv) body.append(word).push_back('\0');
  if (body.size() > kMaxInlineBody) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "the last words are too long");
  }
  const LastWords message{MessageKind::kLastWords, static_cast<uint32_t>(argv.size())};
  if (!Send(socket_.get(), message, body)) return ErrnoStatus("cannot reach the guardian", errno);
  return absl::OkStatus();
}

void GuardianClient::LeaveSessions(std::vector<SessionId> sessions) const {
  sessions.insert(sessions.begin(), dead_sessions_.begin(), dead_sessions_.end());
  guard::LeaveSessions(life_dir_, std::move(sessions));
}

void GuardianClient::Quit() { Send(socket_.get(), Plain{MessageKind::kQuit}); }

void GuardianClient::EndEverything() {
  while (ReapSome()) {
    process::StrikeDescendants(getpid());
    poll(nullptr, 0, kReapPauseMs);
  }
}

}  // namespace penstock::worker::guard
