#include "common/process/child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

// The child runs in the parent's memory while the parent waits. So: plain system calls only (libc's
// wrappers may keep books for the parent, and sanitizers do), and no instrumentation.
#define PENSTOCK_PLAIN __attribute__((no_sanitize("address", "thread", "undefined")))

// libc's clone() by its other name: ThreadSanitizer takes every clone() for a fork and stops
// watching the thread that called it.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...);

namespace penstock::process {
namespace {

constexpr size_t kStackBytes = size_t{64} * 1024;
constexpr size_t kMaxProgramPath = 4096;
constexpr int kHighestSignal = 64;
constexpr size_t kSignalSetBytes = 8;

// Shared by parent and child.
struct Launch {
  const ChildPlan* plan;
  pid_t parent;
  ChildStart result;
};

PENSTOCK_PLAIN bool FailAt(Launch* launch, ChildStage stage) {
  launch->result.stage = stage;
  launch->result.error_number = errno;
  return false;
}

PENSTOCK_PLAIN void ResetSignals(uint64_t signals) {
  constexpr uint64_t kDefaultAction[8] = {};  // the kernel's struct: SIG_DFL, no flags, no mask
  for (int number = 1; number <= kHighestSignal; ++number) {
    if ((signals >> (number - 1) & 1) != 0) {
      syscall(SYS_rt_sigaction, number, kDefaultAction, nullptr, kSignalSetBytes);
    }
  }
}

PENSTOCK_PLAIN bool BecomeUser(const ChildPlan& plan) {
  if (!plan.change_user) return true;
  return syscall(SYS_setgroups, 0, nullptr) == 0 &&
         syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) == 0 &&
         syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) == 0;
}

// After the change of user, which clears it. The parent may have died before.
PENSTOCK_PLAIN bool TieToParent(const Launch& launch) {
  if (launch.plan->death_signal == 0) return true;
  if (syscall(SYS_prctl, PR_SET_PDEATHSIG, launch.plan->death_signal, 0, 0, 0) != 0) {
    return false;
  }
  errno = ESRCH;
  return syscall(SYS_getppid) == launch.parent;
}

// A copy above the four targets unless it is there, so that no target overwrites a source.
PENSTOCK_PLAIN long MoveUp(long fd, long otherwise) {
  constexpr int kFirstFree = 4;
  const long source = fd >= 0 ? fd : otherwise;
  return source < 0 || source >= kFirstFree
             ? source
             : syscall(SYS_fcntl, source, F_DUPFD_CLOEXEC, kFirstFree);
}

PENSTOCK_PLAIN bool PlaceDescriptors(const ChildPlan& plan) {
  const long null_fd = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
  if (null_fd < 0) return false;
  const long sources[] = {MoveUp(plan.stdin_fd, null_fd), MoveUp(plan.stdout_fd, null_fd),
                          MoveUp(plan.stderr_fd, null_fd), MoveUp(plan.pass_fd, -1)};
  for (int target = 0; target < 4; ++target) {
    const bool wanted = target < 3 || plan.pass_fd >= 0;
    if (wanted && syscall(SYS_dup3, sources[target], target, 0) < 0) return false;
  }
  const unsigned first_closed = plan.pass_fd >= 0 ? 4 : 3;
  constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC; kernels before 5.11 refuse it
  syscall(SYS_close_range, first_closed, ~0U, kCloseOnExec);
  return true;
}

PENSTOCK_PLAIN void RaiseOomScore(int adjust) {
  if (adjust <= 0) return;
  char text[8];
  size_t begin = sizeof(text);
  for (; adjust > 0 && begin > 0; adjust /= 10) {
    text[--begin] = static_cast<char>('0' + adjust % 10);
  }
  const long fd =
      syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  syscall(SYS_write, fd, text + begin, sizeof(text) - begin);
  syscall(SYS_close, fd);
}

PENSTOCK_PLAIN const char* PathOf(const char* const* envp) {
  for (; *envp != nullptr; ++envp) {
    if (std::strncmp(*envp, "PATH=", 5) == 0) return *envp + 5;
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

// Tries every directory of PATH; errno is left as the most telling of the failures.
PENSTOCK_PLAIN void ExecByPath(const ChildPlan& plan) {
  const char* const name = plan.argv[0];
  const size_t name_size = std::strlen(name);
  char program[kMaxProgramPath];
  int error = ENOENT;
  const char* dir = PathOf(plan.envp);
  while (true) {
    const char* const end = strchrnul(dir, ':');
    const size_t dir_size = static_cast<size_t>(end - dir);
    if (dir_size > 0 && dir_size + name_size + 2 <= kMaxProgramPath) {
      std::memcpy(program, dir, dir_size);
      program[dir_size] = '/';
      std::memcpy(program + dir_size + 1, name, name_size + 1);
      syscall(SYS_execve, program, plan.argv, plan.envp);
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
    }
    if (*end == '\0') break;
    dir = end + 1;
  }
  errno = error;
}

PENSTOCK_PLAIN void Exec(const ChildPlan& plan) {
  if (plan.argv[0][0] == '\0') {
    errno = ENOENT;
  } else if (std::strchr(plan.argv[0], '/') == nullptr) {
    ExecByPath(plan);
  } else {
    syscall(SYS_execve, plan.argv[0], plan.argv, plan.envp);
  }
}

PENSTOCK_PLAIN bool Prepare(Launch* launch) {
  const ChildPlan& plan = *launch->plan;
  if (plan.new_session && setsid() < 0) return FailAt(launch, ChildStage::kSession);
  if (!BecomeUser(plan) || !TieToParent(*launch)) return FailAt(launch, ChildStage::kUser);
  if (!PlaceDescriptors(plan)) return FailAt(launch, ChildStage::kDescriptors);
  RaiseOomScore(plan.oom_score_adjust);
  if (plan.work_dir != nullptr && syscall(SYS_chdir, plan.work_dir) != 0) {
    return FailAt(launch, ChildStage::kWorkDir);
  }
  return true;
}

PENSTOCK_PLAIN int RunChild(void* argument) {
  Launch* const launch = static_cast<Launch*>(argument);
  ResetSignals(launch->plan->reset_signals);
  if (Prepare(launch)) {
    constexpr uint64_t kNone = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &kNone, nullptr, kSignalSetBytes);
    Exec(*launch->plan);
    FailAt(launch, ChildStage::kExec);
  }
  syscall(SYS_exit_group, 127);
  return 127;
}

// The parent sleeps until the child has left its memory, by exec or by exit.
PENSTOCK_PLAIN pid_t Clone(Launch* launch) {
  alignas(16) std::byte stack[kStackBytes];
  return __clone(RunChild, stack + kStackBytes, CLONE_VM | CLONE_VFORK | SIGCHLD, launch);
}

void Reap(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::string_view ToString(ChildStage stage) {
  switch (stage) {
    case ChildStage::kStarted:
      return "started";
    case ChildStage::kFork:
      return "creating the process";
    case ChildStage::kSession:
      return "creating its session";
    case ChildStage::kUser:
      return "changing its user";
    case ChildStage::kDescriptors:
      return "placing its input and output";
    case ChildStage::kWorkDir:
      return "entering its working directory";
    case ChildStage::kExec:
      return "executing the program";
  }
  return "unknown";
}

ChildStart StartChild(const ChildPlan& plan) {
  Launch launch{&plan, getpid(), {-1, ChildStage::kStarted, 0}};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = Clone(&launch);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return {-1, ChildStage::kFork, error};
  if (launch.result.stage != ChildStage::kStarted) {
    Reap(pid);
    return launch.result;
  }
  launch.result.pid = pid;
  return launch.result;
}

}  // namespace penstock::process
