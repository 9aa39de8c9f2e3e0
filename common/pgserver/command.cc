#include "common/pgserver/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
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

namespace penstock::pgserver {
namespace {

constexpr size_t kMaxOutputBytes = 64 * 1024;
constexpr const char* kEnvironment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC",
                                        nullptr};

// Starts `command` with its output going to `output_fd`. The plan borrows only from this frame,
// which the child has left when StartChild returns.
absl::StatusOr<pid_t> Launch(const Command& command, int output_fd, int death_signal) {
  std::vector<const char*> argv;
  for (const std::string& arg : command.argv) argv.push_back(arg.c_str());
  argv.push_back(nullptr);
  process::ChildPlan plan;
  plan.argv = argv.data();
  plan.envp = kEnvironment;
  plan.work_dir = "/";
  plan.stdout_fd = output_fd;
  plan.stderr_fd = output_fd;
  plan.new_session = true;
  plan.death_signal = death_signal;
  plan.change_user = command.user.has_value();
  if (command.user) plan.uid = command.user->uid;
  if (command.user) plan.gid = command.user->gid;
  const process::ChildStart start = process::StartChild(plan);
  if (start.stage == process::ChildStage::kStarted) return start.pid;
  return MakeStatus(absl::StatusCode::kInternal,
                    fmt::format("cannot start {}: {}: {}", command.argv[0],
                                process::ToString(start.stage), std::strerror(start.error_number)));
}

absl::Status Errno(std::string_view what) {
  return MakeStatus(absl::StatusCode::kInternal, fmt::format("{}: {}", what, std::strerror(errno)));
}

int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Reads until every writer is gone. False when `deadline` passes first.
bool ReadAll(int fd, SteadyTime deadline, std::string* output) {
  std::array<char, 4096> buffer;
  while (true) {
    const auto left = absl::ToInt64Milliseconds(deadline - RealClock().Steady());
    if (left <= 0) return false;
    pollfd readable{fd, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(std::min<int64_t>(left, 1000))) <= 0) continue;
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got == 0) return true;
    if (got < 0) continue;
    const size_t room = kMaxOutputBytes - output->size();
    output->append(buffer.data(), std::min(static_cast<size_t>(got), room));
  }
}

}  // namespace

absl::StatusOr<CommandResult> RunCommand(const Command& command, absl::Duration timeout) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Errno("pipe");
  const process::UniqueFd read_end(ends[0]);
  process::UniqueFd write_end(ends[1]);
  PENSTOCK_ASSIGN_OR_RETURN(const pid_t child, Launch(command, write_end.get(), SIGKILL));
  write_end.Reset();
  CommandResult result;
  const bool finished = ReadAll(read_end.get(), RealClock().Steady() + timeout, &result.output);
  if (!finished) kill(child, SIGKILL);
  result.exit_code = Reap(child);
  if (finished) return result;
  return MakeStatus(
      absl::StatusCode::kDeadlineExceeded,
      fmt::format("{} did not end within {}", command.argv[0], absl::FormatDuration(timeout)));
}

absl::StatusOr<pid_t> SpawnServer(const Command& command, const std::filesystem::path& log_file,
                                  int parent_death_signal) {
  const process::UniqueFd log(
      open(log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log) return Errno(log_file.string());
  return Launch(command, log.get(), parent_death_signal);
}

}  // namespace penstock::pgserver
