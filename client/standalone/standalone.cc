#include "client/standalone/standalone.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "client/standalone/instance_lock.h"
#include "client/standalone/layout.h"
#include "client/standalone/leftovers.h"
#include "client/standalone/node_plan.h"
#include "client/standalone/ports.h"
#include "client/standalone/report.h"
#include "client/standalone/signal_inbox.h"
#include "client/standalone/supervisor.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/pgserver/private_server.h"
#include "common/process/spawn.h"

namespace penstock::client {
namespace {

constexpr int kOk = 0;
constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr int kMaxSchedulers = kWorkerHttpOffset - kSchedulerHttpOffset;
constexpr int kMaxWorkers = 100;
constexpr int kMaxSlots = 10'000;
constexpr absl::Duration kMaxDrainGrace = absl::Hours(24);
// What a stop may need beyond the draining.
constexpr absl::Duration kStopSlack = absl::Minutes(2);
constexpr absl::Duration kPostgresGrace = absl::Seconds(30);
constexpr absl::Duration kSettle = absl::Seconds(10);
constexpr absl::Duration kSettlePoll = absl::Milliseconds(10);

absl::Status CheckRange(const char* flag, int value, int least, int most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("{} must be {} to {}, not {}", flag, least, most, value));
}

std::string ReadyText(const StandaloneOptions& options, const Layout& layout,
                      const PortPlan& ports) {
  const std::string stop =
      options.detach ? fmt::format("penstock standalone --data {} --stop", layout.root.string())
                     : "Ctrl-C";
  return fmt::format(
      "Penstock is up: --address 127.0.0.1:{}\n"
      "  state  {}\n  logs   {}\n  stop   {}",
      ports.schedulers[0].grpc, layout.state().string(), (layout.root / "logs").string(), stop);
}

// Ends what an earlier life left, and settles the ports of this one.
absl::StatusOr<PortPlan> Prepare(const StandaloneOptions& options, const Layout& layout,
                                 Report& report) {
  PENSTOCK_ASSIGN_OR_RETURN(const int leftovers, EndLeftovers(layout));
  if (leftovers > 0) report.Step(fmt::format("ended {} processes of an earlier life", leftovers));
  std::error_code error;
  std::filesystem::remove(layout.state(), error);
  PENSTOCK_ASSIGN_OR_RETURN(PortPlan ports,
                            ChoosePorts(options.port, options.schedulers, options.workers));
  PENSTOCK_RETURN_IF_ERROR(CheckPrograms(PlanSchedulers(options, layout, ports)));
  PENSTOCK_RETURN_IF_ERROR(CheckPrograms(PlanWorkers(options, layout, ports)));
  return ports;
}

absl::Status RunCluster(const StandaloneOptions& options, const Layout& layout, Report& report,
                        SignalInbox& signals) {
  PENSTOCK_ASSIGN_OR_RETURN(const PortPlan ports, Prepare(options, layout, report));
  Supervisor supervisor(
      options, layout, ports, [&report](const std::string& line) { report.Step(line); }, signals,
      RealClock());
  absl::Status status = supervisor.Start();
  if (status.ok() && report.Ready(ReadyText(options, layout, ports))) supervisor.Run();
  if (status.ok()) report.Step("stopping");
  status.Update(supervisor.Stop());
  if (status.ok()) report.Step("stopped");
  return status;
}

int Supervise(const StandaloneOptions& options, const Layout& layout, const InstanceLock& lock,
              Report& report) {
  lock.NameHolder();
  SignalInbox signals;
  const absl::Status status = RunCluster(options, layout, report, signals);
  if (status.ok()) return kOk;
  report.Failed(std::string(Message(status)));
  return kFailure;
}

// Descriptors that the caller's shell or script left open must not stay open for days.
void CloseAllBut(const std::set<int>& kept) {
  std::vector<int> open_fds;
  DIR* const dir = opendir("/proc/self/fd");
  while (const dirent* entry = dir == nullptr ? nullptr : readdir(dir)) {
    int fd = -1;
    if (absl::SimpleAtoi(entry->d_name, &fd)) open_fds.push_back(fd);
  }
  if (dir != nullptr) closedir(dir);
  for (const int fd : open_fds) {
    if (fd > STDERR_FILENO && !kept.contains(fd)) close(fd);
  }
}

void BecomeDaemon(const Layout& layout, const std::set<int>& kept) {
  setsid();
  const int input = open("/dev/null", O_RDONLY);
  const int log = open(layout.log("standalone").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(input, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  CloseAllBut(kept);
  if (chdir("/") != 0) _exit(kFailure);
}

int RunDetached(const StandaloneOptions& options, const Layout& layout, const InstanceLock& lock,
                std::ostream& out, std::ostream& err) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return kFailure;
  process::UniqueFd read_end(ends[0]);
  process::UniqueFd write_end(ends[1]);
  out.flush();
  err.flush();
  const pid_t child = fork();
  if (child == 0) {
    BecomeDaemon(layout, {lock.fd(), write_end.get()});
    PipeReport report(std::move(write_end));
    _exit(Supervise(options, layout, lock, report));
  }
  write_end.Reset();
  if (child > 0) return RelayReport(std::move(read_end), out, err) ? kOk : kFailure;
  err << "cannot start another process" << std::endl;
  return kFailure;
}

// Nobody holds the lock: whatever still runs lost its supervisor.
absl::Status CleanUp(const Layout& layout, std::ostream& out) {
  PENSTOCK_ASSIGN_OR_RETURN(const int ended, EndLeftovers(layout));
  PENSTOCK_RETURN_IF_ERROR(
      pgserver::StopServerAt(layout.postgres(), pgserver::StopMode::kFast, kPostgresGrace));
  std::error_code error;
  std::filesystem::remove(layout.state(), error);
  std::filesystem::remove(layout.processes(), error);
  out << "no standalone cluster runs in " << layout.root.string();
  if (ended > 0) out << "; ended " << ended << " processes that one had left";
  out << std::endl;
  return absl::OkStatus();
}

// The holder once it has a name, or none once it is gone; as it is if neither comes.
LockHolder SettledHolder(const Layout& layout) {
  const SteadyTime deadline = RealClock().Steady() + kSettle;
  LockHolder holder = FindHolder(layout.lock());
  while (holder.held && !holder.process && RealClock().Steady() < deadline) {
    absl::SleepFor(kSettlePoll);
    holder = FindHolder(layout.lock());
  }
  return holder;
}

absl::Status AskToStop(const Layout& layout, const LockHolder& holder, absl::Duration patience) {
  if (!holder.process) {
    return MakeStatus(absl::StatusCode::kUnavailable,
                      fmt::format("the cluster in {} is just starting or stopping; try again",
                                  layout.root.string()));
  }
  if (!process::SendSignal(*holder.process, SIGTERM) && process::IsAlive(*holder.process)) {
    return MakeStatus(absl::StatusCode::kPermissionDenied,
                      fmt::format("process {} belongs to another user", holder.process->pid));
  }
  if (process::WaitForEnd(*holder.process, patience)) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                    fmt::format("process {} is still stopping", holder.process->pid));
}

absl::Status Stop(const StandaloneOptions& options, std::ostream& out) {
  if (!std::filesystem::exists(options.data_dir)) {
    return MakeStatus(absl::StatusCode::kNotFound,
                      fmt::format("{} does not exist", options.data_dir.string()));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Layout layout, MakeLayout(options.data_dir));
  const LockHolder holder = SettledHolder(layout);
  if (!holder.held) return CleanUp(layout, out);
  PENSTOCK_RETURN_IF_ERROR(AskToStop(layout, holder, kMaxDrainGrace + kStopSlack));
  SettledHolder(layout);  // so that the next start finds the directory free
  out << "stopped" << std::endl;
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const StandaloneOptions& options) {
  PENSTOCK_RETURN_IF_ERROR(CheckRange("--schedulers", options.schedulers, 1, kMaxSchedulers));
  PENSTOCK_RETURN_IF_ERROR(CheckRange("--workers", options.workers, 0, kMaxWorkers));
  PENSTOCK_RETURN_IF_ERROR(CheckRange("--slots", options.slots, 0, kMaxSlots));
  constexpr int kMaxPort = 65535 - kWorkerHttpOffset - kMaxWorkers;
  PENSTOCK_RETURN_IF_ERROR(CheckRange("--port", options.port, 0, kMaxPort));
  if (options.drain_grace < absl::ZeroDuration() || options.drain_grace > kMaxDrainGrace) {
    return absl::InvalidArgumentError("--drain-grace must be 0s to 24h");
  }
  if (options.data_dir.empty()) return absl::InvalidArgumentError("--data DIR is required");
  return absl::OkStatus();
}

int RunStandalone(const StandaloneOptions& options, std::ostream& out, std::ostream& err) {
  if (const absl::Status status = Validate(options); !status.ok()) {
    err << Message(status) << std::endl;
    return kUsage;
  }
  auto layout = MakeLayout(options.data_dir);
  const auto lock = layout.ok() ? InstanceLock::Take(layout->lock()) : layout.status();
  if (!lock.ok()) {
    err << Message(lock.status()) << std::endl;
    return kFailure;
  }
  if (options.detach) return RunDetached(options, *layout, *lock, out, err);
  StreamReport report(out, err);
  return Supervise(options, *layout, *lock, report);
}

int StopStandalone(const StandaloneOptions& options, std::ostream& out, std::ostream& err) {
  const absl::Status status = Stop(options, out);
  if (status.ok()) return kOk;
  err << Message(status) << std::endl;
  return kFailure;
}

}  // namespace penstock::client
