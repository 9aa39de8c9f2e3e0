#include "common/pgserver/private_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/pgserver/postmaster_file.h"
#include "common/process/spawn.h"
#include "common/process/unique_fd.h"

namespace penstock::pgserver {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kInitTimeout = absl::Minutes(3);
constexpr absl::Duration kStrayTimeout = absl::Seconds(10);
constexpr absl::Duration kQueryTimeout = absl::Minutes(1);
constexpr absl::Duration kPollPeriod = absl::Milliseconds(5);
// A log larger than this at a start becomes server.log.1.
constexpr uintmax_t kMaxLogBytes = 16 << 20;
constexpr std::streamoff kLogTailBytes = 16 * 1024;

absl::Status Failed(std::string_view text) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, text);
}

void Pause(absl::Duration duration) {
  const timespec time = absl::ToTimespec(duration);
  nanosleep(&time, nullptr);
}

// Polls until `done` holds. False when `timeout` passes first.
bool WaitFor(absl::Duration timeout, const std::function<bool()>& done) {
  const SteadyTime deadline = RealClock().Steady() + timeout;
  while (!done()) {
    if (RealClock().Steady() >= deadline) return false;
    Pause(kPollPeriod);
  }
  return true;
}

// The major version that an existing cluster was made with.
std::optional<int> ClusterMajor(const fs::path& data_dir) {
  std::ifstream in(data_dir / "PG_VERSION");
  int major = 0;
  if (in >> major) return major;
  return std::nullopt;
}

// Runs `body` in a forked child that has become `user`; its answer, at most 100, or -1.
int RunAs(const std::optional<OsUser>& user, const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(!user || BecomeUser(*user) ? std::min(body(), 100) : 101);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) <= 100 ? WEXITSTATUS(status) : -1;
}

absl::Status WriteOwned(const fs::path& file, const std::string& text,
                        const std::optional<OsUser>& user) {
  const fs::path fresh = file.string() + ".new";
  unlink(fresh.c_str());
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return Failed(fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)));
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool owned = !user || fchown(fd, user->uid, user->gid) == 0;
  close(fd);
  if (written && owned && rename(fresh.c_str(), file.c_str()) == 0) return absl::OkStatus();
  return Failed(fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)));
}

// One flush of everything instead of initdb's one for each of a thousand files: seconds less on a
// busy disk.
void SyncFileSystem(const fs::path& dir) {
  const process::UniqueFd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) syncfs(fd.get());
}

void KeepLogSmall(const fs::path& log_file) {
  std::error_code error;
  if (fs::file_size(log_file, error) > kMaxLogBytes && !error) {
    fs::rename(log_file, log_file.string() + ".1", error);
  }
}

// The last line that tells of an error, or the last line at all.
std::string ErrorLine(const std::string& text) {
  std::istringstream in(text);
  std::string line, last, error;
  while (std::getline(in, line)) {
    if (!line.empty()) last = line;
    for (const char* mark : {"FATAL:", "PANIC:", "error:", "could not"}) {
      if (line.find(mark) != std::string::npos) error = line;
    }
  }
  return error.empty() ? last : error;
}

int StopSignal(StopMode mode) { return mode == StopMode::kFast ? SIGINT : SIGQUIT; }

// Signals until `gone` holds: as asked, then harder.
absl::Status StopProcess(const process::PidIdentity process, StopMode mode, absl::Duration timeout,
                         const std::function<bool()>& gone) {
  for (const int signal : {StopSignal(mode), SIGQUIT, SIGKILL}) {
    if (gone()) return absl::OkStatus();
    process::SendSignal(process, signal);
    if (WaitFor(timeout, gone)) return absl::OkStatus();
  }
  return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                    fmt::format("PostgreSQL (process {}) does not end", process.pid));
}

}  // namespace

PrivateServer::PrivateServer(const PrivateServerOptions& options, Placement placement,
                             Binaries binaries)
    : options_(options),
      placement_(std::move(placement)),
      binaries_(std::move(binaries)),
      socket_dir_(placement_.socket_dir) {}

PrivateServer::~PrivateServer() = default;

absl::StatusOr<std::unique_ptr<PrivateServer>> PrivateServer::Start(
    const PrivateServerOptions& options) {
  // Before anything is written: the usual mistake is that PostgreSQL is not installed.
  PENSTOCK_RETURN_IF_ERROR(FindBinaries(options.bin_dir, std::nullopt).status());
  PENSTOCK_ASSIGN_OR_RETURN(Placement placement, Place(options.dir, options.relocation_root));
  PENSTOCK_ASSIGN_OR_RETURN(Binaries binaries,
                            FindBinaries(options.bin_dir, ClusterMajor(placement.data_dir)));
  std::unique_ptr<PrivateServer> server(
      new PrivateServer(options, std::move(placement), std::move(binaries)));
  if (!ClusterMajor(server->placement_.data_dir)) {
    PENSTOCK_RETURN_IF_ERROR(server->InitCluster());
  }
  PENSTOCK_RETURN_IF_ERROR(server->StartOrAdopt());
  return server;
}

// Into a directory of another name first: a half-made cluster is never taken for a whole one.
absl::Status PrivateServer::InitCluster() {
  const fs::path fresh = placement_.root / "data.new";
  std::error_code error;
  fs::remove_all(fresh, error);
  std::vector<std::string> initdb = {binaries_.dir / "initdb",
                                     "-D",
                                     fresh,
                                     "-U",
                                     "penstock",
                                     "-E",
                                     "UTF8",
                                     "--locale=C.UTF-8",
                                     "--no-sync",
                                     "--auth-local=trust",
                                     "--auth-host=reject"};
  PENSTOCK_ASSIGN_OR_RETURN(
      const process::CommandResult result,
      process::RunCommand(ServerProgram(std::move(initdb), placement_.user), kInitTimeout));
  if (!result.ok()) {
    return Failed(fmt::format("initdb failed: {}", ErrorLine(result.output)));
  }
  std::ofstream(fresh / "postgresql.conf", std::ios::app) << "\ninclude = 'penstock.conf'\n";
  if (options_.durable) SyncFileSystem(fresh);
  if (rename(fresh.c_str(), placement_.data_dir.c_str()) == 0) return absl::OkStatus();
  return Failed(
      fmt::format("cannot make {}: {}", placement_.data_dir.string(), std::strerror(errno)));
}

absl::Status PrivateServer::Restart() { return Alive() ? absl::OkStatus() : StartOrAdopt(); }

bool PrivateServer::Adopt() {
  const auto file = ReadPostmasterFile(placement_.data_dir);
  const auto process = file ? process::Identify(file->pid) : std::nullopt;
  if (!process || !IsPostmasterOf(process->pid, placement_.data_dir)) return false;
  process_ = *process;
  child_ = false;
  return WaitUntilReady().ok();
}

absl::Status PrivateServer::StartOrAdopt() {
  const auto file = ReadPostmasterFile(placement_.data_dir);
  if (file && file->status == "stopping") {
    WaitFor(options_.start_timeout,
            [&] { return !IsPostmasterOf(file->pid, placement_.data_dir); });
  }
  if (Adopt()) return absl::OkStatus();
  PENSTOCK_RETURN_IF_ERROR(ClearStaleLock());
  PENSTOCK_RETURN_IF_ERROR(Launch());
  return WaitUntilReady();
}

// After a kill -9 the lock file remains, and server processes may still be about. They are ended
// first: the lock may go only when nobody has the cluster open.
absl::Status PrivateServer::ClearStaleLock() {
  const fs::path lock = placement_.data_dir / "postmaster.pid";
  if (!fs::exists(lock)) return absl::OkStatus();
  const bool clear = WaitFor(kStrayTimeout, [this] {
    return RunAs(placement_.user, [this] { return KillStrays(placement_.data_dir); }) == 0;
  });
  if (!clear) return Failed("processes of an earlier PostgreSQL server do not end");
  std::error_code error;
  fs::remove(lock, error);
  return absl::OkStatus();
}

absl::Status PrivateServer::Launch() {
  const Settings settings{placement_.socket_dir, options_.max_connections,
                          options_.shared_buffers_mb, options_.durable};
  PENSTOCK_RETURN_IF_ERROR(
      WriteOwned(placement_.data_dir / "penstock.conf", RenderConfig(settings), placement_.user));
  KeepLogSmall(placement_.log_file);
  process::ProcessSpec postgres =
      ServerProgram({binaries_.dir / "postgres", "-D", placement_.data_dir}, placement_.user);
  postgres.log_file = placement_.log_file;
  postgres.death_signal = options_.stop_with_parent ? SIGINT : 0;
  const auto process = process::SpawnDaemon(postgres);
  if (!process.ok()) {
    // It may have ended before anybody could look at it; then its log says why.
    return Failed(fmt::format("{}: {} (log: {})", Message(process.status()), LastLogError(),
                              placement_.log_file.string()));
  }
  process_ = *process;
  child_ = true;
  socket_dir_ = placement_.socket_dir;
  return absl::OkStatus();
}

absl::Status PrivateServer::WaitUntilReady() {
  bool alive = true;
  const bool ready = WaitFor(options_.start_timeout, [&] {
    const auto file = ReadPostmasterFile(placement_.data_dir);
    if (file && file->pid == process_.pid && file->status == "ready") {
      socket_dir_ = file->socket_dir;
      return true;
    }
    alive = Alive();
    return !alive;
  });
  if (ready && alive) return absl::OkStatus();
  return Failed(fmt::format("PostgreSQL {}: {} (log: {})",
                            ready ? "ended at its start" : "is not ready in time", LastLogError(),
                            placement_.log_file.string()));
}

bool PrivateServer::Alive() {
  if (process_.pid == 0) return false;
  if (child_ ? waitpid(process_.pid, nullptr, WNOHANG) == 0 : process::IsAlive(process_)) {
    return true;
  }
  process_ = {};
  return false;
}

ServerState PrivateServer::Poll() {
  if (Alive()) return ServerState::kRunning;
  return fs::exists(placement_.data_dir / "postmaster.pid") ? ServerState::kCrashed
                                                            : ServerState::kStopped;
}

absl::Status PrivateServer::Stop(StopMode mode, absl::Duration timeout) {
  return StopProcess(process_, mode, timeout, [this] { return !Alive(); });
}

std::string PrivateServer::LastLogError() const {
  std::ifstream in(placement_.log_file, std::ios::ate);
  in.seekg(std::max<std::streamoff>(0, in.tellg() - kLogTailBytes));
  return ErrorLine(std::string(std::istreambuf_iterator<char>(in), {}));
}

absl::Status PrivateServer::EnsureDatabase(std::string_view name) {
  const auto run = [this](const std::string& sql) {
    return process::RunCommand(ServerProgram({binaries_.dir / "psql", "-XqAt", "-v",
                                              "ON_ERROR_STOP=1", "-d", Dsn("postgres"), "-c", sql},
                                             std::nullopt),
                               kQueryTimeout);
  };
  PENSTOCK_ASSIGN_OR_RETURN(
      const process::CommandResult found,
      run(fmt::format("select 1 from pg_database where datname = '{}'", name)));
  if (found.ok() && found.output == "1\n") return absl::OkStatus();
  PENSTOCK_ASSIGN_OR_RETURN(const process::CommandResult made,
                            run(fmt::format("create database {}", name)));
  if (made.ok()) return absl::OkStatus();
  return Failed(fmt::format("cannot create database {}: {}", name, ErrorLine(made.output)));
}

std::string PrivateServer::Dsn(std::string_view dbname) const {
  return fmt::format("host={} port=5432 user=penstock dbname={}", socket_dir_, dbname);
}

absl::Status StopServerAt(const fs::path& dir, StopMode mode, absl::Duration timeout) {
  std::error_code error;
  fs::path root = fs::canonical(dir, error);
  if (error) return absl::OkStatus();
  std::ifstream pointer(root / "relocated");
  if (std::string target; std::getline(pointer, target)) root = target;
  const fs::path data_dir = root / "data";
  const auto file = ReadPostmasterFile(data_dir);
  const auto process = file ? process::Identify(file->pid) : std::nullopt;
  if (!process || !IsPostmasterOf(process->pid, data_dir)) return absl::OkStatus();
  return StopProcess(*process, mode, timeout, [&] { return !process::IsAlive(*process); });
}

}  // namespace penstock::pgserver
