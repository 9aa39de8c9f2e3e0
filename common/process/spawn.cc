#include "common/process/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/process/child.h"
#include "common/process/unique_fd.h"

namespace penstock::process {
namespace {

constexpr size_t kMaxOutputBytes = size_t{1} << 20;
constexpr absl::Duration kKillPatience = absl::Seconds(10);

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case EAGAIN:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status ErrnoStatus(int error, std::string_view what) {
  return MakeStatus(CodeOf(error), fmt::format("{}: {}", what, std::strerror(error)));
}

std::string_view KeyOf(std::string_view entry) { return entry.substr(0, entry.find('=')); }

void PutEntry(std::string entry, std::vector<std::string>* env) {
  const auto same_key = [&entry](const std::string& other) { return KeyOf(other) == KeyOf(entry); };
  const auto it = std::find_if(env->begin(), env->end(), same_key);
  if (it == env->end()) {
    env->push_back(std::move(entry));
  } else {
    *it = std::move(entry);
  }
}

std::vector<std::string> Environment(const ProcessSpec& spec) {
  std::vector<std::string> env;
  if (spec.inherit_env) {
    for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  }
  for (const std::string& entry : spec.env) PutEntry(entry, &env);
  return env;
}

std::vector<const char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

// Milliseconds left for poll(); at least 0, an infinite time is cut to an hour.
int PollTimeout(SteadyTime deadline) {
  const absl::Duration left = deadline - RealClock().Steady();
  return static_cast<int>(absl::ToInt64Milliseconds(
      std::clamp(absl::Ceil(left, absl::Milliseconds(1)), absl::ZeroDuration(), absl::Hours(1))));
}

absl::StatusOr<pid_t> Start(const ProcessSpec& spec, int output_fd) {
  if (spec.argv.empty()) return absl::InvalidArgumentError("no program to start");
  const std::vector<std::string> env = Environment(spec);
  const std::vector<const char*> argv = Pointers(spec.argv);
  const std::vector<const char*> envp = Pointers(env);
  ChildPlan plan;
  plan.argv = argv.data();
  plan.envp = envp.data();
  plan.work_dir = spec.work_dir.empty() ? nullptr : spec.work_dir.c_str();
  plan.stdout_fd = output_fd;
  plan.stderr_fd = output_fd;
  plan.new_session = true;
  plan.death_signal = spec.death_signal;
  if (spec.user) {
    plan.change_user = true;
    plan.uid = spec.user->uid;
    plan.gid = spec.user->gid;
  }
  const ChildStart start = StartChild(plan);
  if (start.stage == ChildStage::kStarted) return start.pid;
  return ErrnoStatus(start.error_number,
                     fmt::format("cannot start {}: {}", spec.argv[0], ToString(start.stage)));
}

absl::StatusOr<UniqueFd> OpenLog(const std::string& path) {
  if (path.empty()) return UniqueFd();
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, fmt::format("cannot open the log file {}", path));
  return fd;
}

bool WaitReadable(int fd, SteadyTime deadline) {
  pollfd poll_fd{fd, POLLIN, 0};
  while (true) {
    const int ready = poll(&poll_fd, 1, PollTimeout(deadline));
    if (ready > 0) return true;
    if (ready == 0 && RealClock().Steady() >= deadline) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// Takes what the pipe holds now; what exceeds the limit is thrown away so that no writer blocks.
void Drain(int fd, std::string* output) {
  std::array<char, 16384> buffer{};
  ssize_t got = 0;
  while ((got = read(fd, buffer.data(), buffer.size())) > 0) {
    const size_t room = kMaxOutputBytes - output->size();
    output->append(buffer.data(), std::min(room, static_cast<size_t>(got)));
  }
}

// Collects output until the process ends (true) or the deadline passes. Children that it left
// behind may keep the pipe open; they are not waited for.
bool CollectUntilEnd(int pipe_fd, int pid_fd, SteadyTime deadline, std::string* output) {
  std::array<pollfd, 2> polled{{{pipe_fd, POLLIN, 0}, {pid_fd, POLLIN, 0}}};
  bool ended = pid_fd < 0;
  while (!ended && RealClock().Steady() < deadline) {
    if (poll(polled.data(), polled.size(), PollTimeout(deadline)) < 0 && errno != EINTR) break;
    ended = polled[1].revents != 0;
    if (polled[0].revents != 0) Drain(pipe_fd, output);
    if ((polled[0].revents & POLLHUP) != 0) polled[0].fd = -1;
  }
  Drain(pipe_fd, output);
  return ended;
}

void SetStatus(int status, CommandResult* result) {
  if (WIFEXITED(status)) {
    result->exit_code = WEXITSTATUS(status);
  } else if (WIFSIGNALED(status)) {
    result->signal = WTERMSIG(status);
  }
}

int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// OK when the process is gone: there is nothing left to signal.
absl::Status SignalOrGone(const PidIdentity& id, int signal) {
  if (SendSignal(id, signal) || errno == ESRCH) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot signal process {}", id.pid));
}

}  // namespace

absl::StatusOr<PidIdentity> SpawnDaemon(const ProcessSpec& spec) {
  PENSTOCK_ASSIGN_OR_RETURN(const UniqueFd log, OpenLog(spec.log_file));
  PENSTOCK_ASSIGN_OR_RETURN(const pid_t pid, Start(spec, log.get()));
  if (const std::optional<PidIdentity> id = Identify(pid)) return *id;
  CommandResult result;
  SetStatus(Reap(pid), &result);
  return MakeStatus(absl::StatusCode::kInternal,
                    fmt::format("{} ended at once (exit code {}, signal {})", spec.argv[0],
                                result.exit_code, result.signal));
}

absl::StatusOr<CommandResult> RunCommand(const ProcessSpec& spec, absl::Duration timeout) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot create a pipe");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  PENSTOCK_ASSIGN_OR_RETURN(const pid_t pid, Start(spec, writer.get()));
  writer.Reset();
  const SteadyTime deadline = RealClock().Steady() + timeout;
  const std::optional<PidIdentity> id = Identify(pid);
  const UniqueFd pid_fd(id ? OpenPidFd(*id) : -1);
  CommandResult result;
  result.timed_out = !CollectUntilEnd(reader.get(), pid_fd.get(), deadline, &result.output);
  if (result.timed_out) kill(-pid, SIGKILL);
  SetStatus(Reap(pid), &result);
  return result;
}

bool WaitForEnd(const PidIdentity& id, absl::Duration timeout) {
  const UniqueFd fd(OpenPidFd(id));
  return !fd || WaitReadable(fd.get(), RealClock().Steady() + timeout);
}

absl::Status Terminate(const PidIdentity& id, absl::Duration grace) {
  PENSTOCK_RETURN_IF_ERROR(SignalOrGone(id, SIGTERM));
  if (!WaitForEnd(id, grace)) {
    PENSTOCK_RETURN_IF_ERROR(SignalOrGone(id, SIGKILL));
    if (!WaitForEnd(id, kKillPatience)) {
      return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                        fmt::format("process {} does not end after SIGKILL", id.pid));
    }
  }
  waitpid(id.pid, nullptr, WNOHANG);  // fails harmlessly when it is not a child of ours
  return absl::OkStatus();
}

absl::StatusOr<UserIds> FindUser(const std::string& name) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return UserIds{entry.pw_uid, entry.pw_gid};
  if (error != 0) return ErrnoStatus(error, fmt::format("cannot look up user {}", name));
  return MakeStatus(absl::StatusCode::kNotFound, fmt::format("there is no user {}", name));
}

}  // namespace penstock::process
