#include "worker/guard/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "common/process/child.h"
#include "common/process/process_tree.h"
#include "worker/guard/boot_clock.h"

namespace penstock::worker::guard {
namespace {

using process::ChildPlan;
using process::ChildStage;
using process::ChildStart;
using process::MemoryCgroup;

constexpr int64_t kStrikeAgainUs = 50'000;  // processes that hang in the kernel die late
constexpr int64_t kAnnounceAfterUs = 3'000;
constexpr int kReapPatienceMs = 20;
constexpr int kAttemptOomScore = 500;  // attempts go before anything of Penstock's own

sigset_t WatchedSignals() {
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, kOrphanedSignal);
  return watched;
}

int WatchSignals() {
  const sigset_t watched = WatchedSignals();
  sigprocmask(SIG_BLOCK, &watched, nullptr);
  return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

int64_t Micros(const timeval& time) { return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec; }

}  // namespace

void HandleNoSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM}) {
    sigaction(number, &action, nullptr);
  }
}

Runner::Runner(process::UniqueFd socket, uint32_t id, std::optional<process::CgroupPlace> cgroups)
    : socket_(std::move(socket)),
      id_(id),
      cgroups_(std::move(cgroups)),
      signals_(WatchSignals()),
      timer_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (cgroups_) RenewCgroup();
}

Runner::~Runner() = default;

void Runner::Serve() {
  while (busy_ || !closing_) {
    Wait();
    TakeSignals();
    ReapChildren();
    if (!closing_) TakePackets();
    if (closing_ && busy_ && !struck_) Strike(EndedBy::kGuardianLost);
    CheckDeadlines();
    if (busy_ && leader_ended_) Finish();
  }
}

void Runner::Wait() {
  std::array<pollfd, 3> polled{{{closing_ ? -1 : socket_.get(), POLLIN, 0},
                                {signals_.get(), POLLIN, 0},
                                {timer_.get(), POLLIN, 0}}};
  poll(polled.data(), polled.size(), -1);
  if (polled[2].revents == 0) return;
  uint64_t fired = 0;
  if (read(timer_.get(), &fired, sizeof(fired)) > 0) armed_us_ = 0;
}

void Runner::TakeSignals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == static_cast<uint32_t>(kOrphanedSignal)) closing_ = true;
  }
}

void Runner::TakePackets() {
  // A request is taken only between attempts, one at a time.
  while (!leader_ended_) {
    Packet packet;
    const Received received = Receive(socket_.get(), &packet);
    if (received == Received::kClosed) closing_ = true;
    if (received != Received::kPacket) return;
    Dispatch(std::move(packet));
  }
}

void Runner::Dispatch(Packet packet) {
  switch (packet.kind()) {
    case MessageKind::kRun:
      if (std::optional<Request> request = ParseRequest(std::move(packet))) Begin(*request);
      return;
    case MessageKind::kExtend: {
      const auto extend = packet.As<guard::Extend>();
      if (busy_ && extend.sequence == ended_.sequence) Extend(extend.lease_deadline_us);
      return;
    }
    case MessageKind::kKill: {
      const auto kill = packet.As<Kill>();
      if (busy_ && kill.sequence == ended_.sequence) AskToStop(EndedBy::kRequest, kill.grace_us);
      return;
    }
    default:
      return;
  }
}

void Runner::Begin(const Request& request) {
  busy_ = true;
  leader_ended_ = announced_ = stopping_ = struck_ = false;
  ended_ = Ended{};
  ended_.kind = MessageKind::kEnded;
  ended_.sequence = request.head.sequence;
  ended_.started_us = BootMicros();
  lease_deadline_us_ = request.head.lease_deadline_us;
  grace_us_ = request.head.grace_us;
  timeout_at_us_ = request.head.timeout_us > 0 ? ended_.started_us + request.head.timeout_us : 0;
  work_dir_path_ = request.work_dir;
  output_name_ = request.output_name;
  if (ended_.started_us >= lease_deadline_us_) {
    ended_.by = EndedBy::kLease;
    leader_ended_ = true;
  } else if (Prepare(request)) {
    Launch(request);
  } else {
    ended_.by = EndedBy::kNotStarted;
    leader_ended_ = true;
  }
}

bool Runner::Prepare(const Request& request) {
  std::string file;
  if (!ApplyMemoryLimit(request.head.memory_limit_bytes)) {
    SetError("setting its memory limit", errno);
  } else if (!work_dir_.Prepare(work_dir_path_)) {
    SetError("creating its working directory", errno);
  } else if (request.bundle && !UnpackBundle(request.bundle.get(), work_dir_path_, &file)) {
    const int error = errno;
    SetError("unpacking its file " + file, error);
  } else {
    return true;
  }
  return false;
}

// A fresh cgroup for every attempt with a limit: what earlier ones left in memory (files in a
// tmpfs, say) would count against it.
bool Runner::ApplyMemoryLimit(int64_t bytes) {
  if (!cgroups_ || (bytes <= 0 && !limited_)) return true;
  RenewCgroup();
  limited_ = bytes > 0;
  return bytes <= 0 || (cgroup_ && cgroup_->SetLimit(bytes));
}

void Runner::RenewCgroup() {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "r%u-%u", id_, cgroup_generation_++);
  std::optional<MemoryCgroup> fresh = MemoryCgroup::Enter(*cgroups_, name.data());
  cgroup_.reset();
  if (fresh) cgroup_.emplace(std::move(*fresh));
  oom_kills_seen_ = 0;
}

void Runner::Launch(const Request& request) {
  ChildPlan plan;
  plan.argv = request.argv.data();
  plan.envp = request.envp.data();
  plan.work_dir = work_dir_path_.c_str();
  plan.stdout_fd = request.out.get();
  plan.stderr_fd = request.err.get();
  plan.new_session = true;
  plan.death_signal = SIGKILL;
  plan.oom_score_adjust = kAttemptOomScore;
  plan.reset_signals = 0;  // no handler of ours does anything, and an exec removes them
  const ChildStart start = process::StartChild(plan);
  if (start.stage != ChildStage::kStarted) {
    ended_.by = EndedBy::kNotStarted;
    leader_ended_ = true;
    const std::string step(ToString(start.stage));
    SetError(start.stage == ChildStage::kExec ? step + " " + request.argv[0] : step,
             start.error_number);
    return;
  }
  ended_.pid = start.pid;
  announce_at_us_ = ended_.started_us + kAnnounceAfterUs;
}

void Runner::Announce() {
  announced_ = true;
  Send(socket_.get(),
       Started{MessageKind::kStarted, ended_.pid, ended_.sequence, ended_.started_us});
}

void Runner::Extend(int64_t lease_deadline_us) {
  lease_deadline_us_ = std::max(lease_deadline_us_, lease_deadline_us);
}

// The group is signalled while its leader is not reaped, so the number still is its own. Stopped
// processes must be woken to hear the request.
void Runner::AskToStop(EndedBy by, int64_t grace_us) {
  if (grace_us <= 0) return Strike(by);
  if (leader_ended_) return;
  if (!stopping_) {
    ended_.by = by;
    stopping_ = true;
    strike_at_us_ = BootMicros() + grace_us;
    kill(-ended_.pid, SIGTERM);
    kill(-ended_.pid, SIGCONT);
  } else {
    strike_at_us_ = std::min(strike_at_us_, BootMicros() + grace_us);
  }
}

void Runner::Strike(EndedBy by) {
  if (leader_ended_) return;
  if (!stopping_) ended_.by = by;
  stopping_ = struck_ = true;
  kill(-ended_.pid, SIGKILL);
  process::StrikeDescendants(getpid());
  strike_at_us_ = BootMicros() + kStrikeAgainUs;
}

void Runner::CheckDeadlines() {
  if (!busy_ || leader_ended_) return;
  const int64_t now = BootMicros();
  if (!announced_ && now >= announce_at_us_) Announce();
  if (now >= lease_deadline_us_ && !struck_) {
    Strike(EndedBy::kLease);
  } else if (stopping_ && now >= strike_at_us_) {
    Strike(ended_.by);
  } else if (!stopping_ && timeout_at_us_ != 0 && now >= timeout_at_us_) {
    AskToStop(EndedBy::kTimeout, grace_us_);
  }
  ArmTimer();
}

// A timer that fires too early only costs a look at the deadlines, so it is set only to go forward.
void Runner::ArmTimer() {
  int64_t next = struck_ ? strike_at_us_ : lease_deadline_us_;
  if (!announced_) next = std::min(next, announce_at_us_);
  if (stopping_) next = std::min(next, strike_at_us_);
  if (!stopping_ && timeout_at_us_ != 0) next = std::min(next, timeout_at_us_);
  if (armed_us_ != 0 && armed_us_ <= next) return;
  armed_us_ = next;
  itimerspec when{};
  when.it_value.tv_sec = next / 1'000'000;
  when.it_value.tv_nsec = next % 1'000'000 * 1000;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

bool Runner::ReapChildren() {
  int status = 0;
  rusage usage{};
  pid_t pid = 0;
  while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
    ended_.cpu_us += Micros(usage.ru_utime) + Micros(usage.ru_stime);
    ended_.peak_rss_kib = std::max<int64_t>(ended_.peak_rss_kib, usage.ru_maxrss);
    if (pid != ended_.pid) continue;
    leader_ended_ = true;
    ended_.wait_status = status;
  }
  return pid == 0;
}

// What the first process left behind is killed: an attempt ends as a whole.
void Runner::EndTree() {
  while (ReapChildren()) {
    process::StrikeDescendants(getpid());
    pollfd polled{signals_.get(), POLLIN, 0};
    poll(&polled, 1, kReapPatienceMs);
    TakeSignals();
  }
}

void Runner::Finish() {
  EndTree();
  if (cgroup_) {
    const int64_t kills = cgroup_->OomKills();
    ended_.out_of_memory = std::exchange(oom_kills_seen_, kills) < kills ? 1 : 0;
  }
  ended_.ended_us = BootMicros();
  Report();
  work_dir_.Clean();
  busy_ = leader_ended_ = false;
}

void Runner::Report() {
  process::UniqueFd output;
  std::vector<int> fds;
  ended_.output_error = ENOENT;
  if (ended_.pid != 0) {
    output.Reset(OpenOutput(work_dir_path_, output_name_));
    ended_.output_error = output ? 0 : errno;
    if (output) fds.push_back(output.get());
  }
  if (!Send(socket_.get(), ended_, {}, fds)) closing_ = true;
}

void Runner::SetError(std::string_view what, int error_number) {
  std::snprintf(ended_.error.data(), ended_.error.size(), "%.*s: %s",
                static_cast<int>(std::min<size_t>(what.size(), 180)), what.data(),
                std::strerror(error_number));
}

}  // namespace penstock::worker::guard
