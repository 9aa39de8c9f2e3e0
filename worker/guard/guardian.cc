#include "worker/guard/guardian.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/process/pid_identity.h"
#include "common/process/process_tree.h"
#include "common/process/remove_tree.h"
#include "worker/guard/runner.h"

namespace penstock::worker::guard {
namespace {

constexpr int kReapPatienceMs = 20;
constexpr char kCgroupPrefix[] = "penstock-";

int WatchChildren() {
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigprocmask(SIG_BLOCK, &watched, nullptr);
  return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

void DrainSignals(int fd) {
  signalfd_siginfo info{};
  while (read(fd, &info, sizeof(info)) == sizeof(info)) {
  }
}

// Names in `dir` of the form prefix + identity [+ suffix] whose process is gone.
std::vector<std::string> DeadLives(const std::string& dir, std::string_view prefix) {
  std::vector<std::string> dead;
  DIR* const opened = opendir(dir.c_str());
  if (opened == nullptr) return dead;
  while (const dirent* entry = readdir(opened)) {
    std::string_view name = entry->d_name;
    if (name.substr(0, prefix.size()) != prefix) continue;
    name.remove_prefix(prefix.size());
    constexpr std::string_view kMainSuffix = "-main";
    if (name.size() > kMainSuffix.size() &&
        name.substr(name.size() - kMainSuffix.size()) == kMainSuffix) {
      name.remove_suffix(kMainSuffix.size());
    }
    const std::optional<process::PidIdentity> id = process::ParsePidIdentity(name);
    if (id && !process::IsAlive(*id)) dead.emplace_back(entry->d_name);
  }
  closedir(opened);
  return dead;
}

void KillAllOfLife(const std::string& life) {
  const std::string mark = std::string(kLifeVariable) + "=" + life;
  constexpr int kPasses = 1000;  // about a second for those that hang in the kernel
  for (int pass = 0; pass < kPasses; ++pass) {
    bool killed = false;
    for (const process::PidIdentity& id : process::FindByEnvironment(mark)) {
      killed |= process::SendSignal(id, SIGKILL);
    }
    if (!killed) return;  // none left, or not ours to kill
    usleep(1000);
  }
}

}  // namespace

Guardian::Guardian(process::UniqueFd socket, GuardianPlace place)
    : socket_(std::move(socket)), place_(std::move(place)), main_(getppid()) {}

int Guardian::Serve() {
  if (!Start()) return 1;
  while (!closing_) {
    Wait();
    ReapChildren();
    TakePackets();
  }
  // The runners see the end of the main process themselves; they only have to be waited for.
  while (ReapChildren()) Wait();
  Leave();
  return 0;
}

bool Guardian::Start() {
  prctl(PR_SET_NAME, "penstock-guard");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  HandleNoSignals();
  signals_.Reset(WatchChildren());
  std::vector<std::string> dead_dirs = EndDeadLives();
  if (mkdir((place_.root + "/" + place_.life).c_str(), 0700) != 0) {
    std::fprintf(stderr, "penstock-guardian: cannot create %s/%s: %s\n", place_.root.c_str(),
                 place_.life.c_str(), std::strerror(errno));
    return false;
  }
  if (place_.use_cgroups) {
    cgroups_ = process::PrepareMemoryCgroups(kCgroupPrefix + place_.life, main_);
  }
  if (!dead_dirs.empty()) ForkSweeper(std::move(dead_dirs));
  return Send(socket_.get(), Ready{MessageKind::kReady, kWireVersion, cgroups_ ? 1U : 0U});
}

void Guardian::Wait() {
  pollfd polled[] = {{closing_ ? -1 : socket_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
  poll(polled, 2, -1);
  DrainSignals(signals_.get());
}

void Guardian::TakePackets() {
  while (!closing_) {
    Packet packet;
    const Received received = Receive(socket_.get(), &packet);
    if (received == Received::kNothing) return;
    if (received == Received::kClosed) {
      closing_ = true;
    } else {
      Dispatch(std::move(packet));
    }
  }
}

void Guardian::Dispatch(Packet packet) {
  switch (packet.kind()) {
    case MessageKind::kNewRunner:
      if (packet.fds.size() == 1) ForkRunner(packet.As<NewRunner>().id, std::move(packet.fds[0]));
      return;
    case MessageKind::kLastWords:
      TakeLastWords(packet);
      return;
    case MessageKind::kQuit:
      on_purpose_ = true;
      return;
    default:
      return;
  }
}

void Guardian::ForkRunner(uint32_t id, process::UniqueFd socket) {
  const pid_t guardian = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, kOrphanedSignal);
    if (getppid() != guardian) _exit(1);
    BecomeRunner(id, std::move(socket));
  }
  if (pid > 0) {
    runners_.push_back({pid, id});
  } else {
    Send(socket_.get(), RunnerGone{MessageKind::kRunnerGone, id});
  }
}

void Guardian::BecomeRunner(uint32_t id, process::UniqueFd socket) {
  constexpr int kKept = 3;
  prctl(PR_SET_NAME, "penstock-runner");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (dup3(socket.get(), kKept, O_CLOEXEC) < 0) _exit(1);
  socket.Release();
  syscall(SYS_close_range, kKept + 1, ~0U, 0);
  {
    Runner runner(process::UniqueFd(kKept), id, cgroups_);
    runner.Serve();
  }
  _exit(0);
}

void Guardian::ForkSweeper(std::vector<std::string> dirs) {
  sweeper_ = fork();
  if (sweeper_ != 0) return;
  for (const std::string& dir : dirs) process::RemoveTree(dir.c_str());
  _exit(0);
}

void Guardian::TakeLastWords(const Packet& packet) {
  std::string_view texts = packet.BodyAfter<LastWords>();
  last_words_.clear();
  for (uint32_t i = packet.As<LastWords>().argument_count; i > 0 && !texts.empty(); --i) {
    const size_t end = std::min(texts.find('\0'), texts.size() - 1);
    last_words_.emplace_back(texts.substr(0, end));
    texts.remove_prefix(end + 1);
  }
}

bool Guardian::ReapChildren() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == sweeper_) sweeper_ = 0;
    const auto it = std::find_if(runners_.begin(), runners_.end(),
                                 [pid](const RunnerProcess& runner) { return runner.pid == pid; });
    if (it == runners_.end()) continue;
    const RunnerProcess runner = *it;
    runners_.erase(it);
    RunnerEnded(runner);
  }
  return pid == 0;
}

void Guardian::RunnerEnded(const RunnerProcess& runner) {
  EndOrphans();
  if (!closing_) Send(socket_.get(), RunnerGone{MessageKind::kRunnerGone, runner.id});
}

void Guardian::EndOrphans() {
  // Stops when nothing is seen: all that is below the guardian and not below a living runner is an
  // orphan, and an orphan stays visible until it is reaped, here.
  const pid_t self = getpid();
  while (!process::Descendants(self, SparedPids(), process::ListProcesses()).empty()) {
    process::StrikeDescendants(self, SparedPids());
    for (const process::ProcessStat& orphan :
         process::Descendants(self, SparedPids(), process::ListProcesses())) {
      if (orphan.parent == self && !orphan.alive()) waitpid(orphan.pid, nullptr, WNOHANG);
    }
    pollfd polled{signals_.get(), POLLIN, 0};
    poll(&polled, 1, kReapPatienceMs);
    DrainSignals(signals_.get());
  }
}

std::vector<pid_t> Guardian::SparedPids() const {
  std::vector<pid_t> spared = {sweeper_};
  for (const RunnerProcess& runner : runners_) spared.push_back(runner.pid);
  return spared;
}

std::vector<std::string> Guardian::EndDeadLives() {
  std::vector<std::string> dirs;
  for (const std::string& life : DeadLives(place_.root, "")) {
    KillAllOfLife(life);
    dirs.push_back(place_.root + "/" + life);
  }
  if (place_.use_cgroups) {
    if (const std::optional<process::CgroupPlace> own = process::OwnMemoryCgroup()) {
      for (const std::string& name : DeadLives(own->path, kCgroupPrefix)) {
        process::RemoveCgroupTree(*own, name);
      }
    }
  }
  return dirs;
}

void Guardian::Leave() {
  process::RemoveTree((place_.root + "/" + place_.life).c_str());
  if (cgroups_) process::RemoveCgroupTree(*cgroups_, "");
  if (on_purpose_ || last_words_.empty()) return;
  std::vector<char*> argv;
  for (std::string& word : last_words_) argv.push_back(word.data());
  argv.push_back(nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(argv[0], argv.data());
  std::fprintf(stderr, "penstock-guardian: cannot execute %s: %s\n", argv[0], std::strerror(errno));
}

int GuardianMain(int argc, char** argv) {
  constexpr int kSocket = 3;
  struct stat info {};
  if (argc != 5 || fstat(kSocket, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    std::fprintf(stderr, "penstock-guardian is started by penstock-worker, not by hand\n");
    return 2;
  }
  if (std::strtoul(argv[3], nullptr, 10) != kWireVersion) {
    std::fprintf(stderr, "penstock-guardian and penstock-worker are of different builds\n");
    return 2;
  }
  fcntl(kSocket, F_SETFD, FD_CLOEXEC);
  GuardianPlace place{argv[1], argv[2], std::strcmp(argv[4], "1") == 0};
  return Guardian(process::UniqueFd(kSocket), std::move(place)).Serve();
}

}  // namespace penstock::worker::guard
