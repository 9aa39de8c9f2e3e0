#pragma once
// Starting a child fast: without copying the parent's page tables, whatever their size. Linux.
#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace penstock::process {

// What the child becomes. Borrows everything; nothing is kept after StartChild returned.
struct ChildPlan {
  // argv[0] without '/' is looked up in the PATH of `envp`, not of the caller. Null-terminated.
  const char* const* argv = nullptr;
  const char* const* envp = nullptr;
  const char* work_dir = nullptr;  // null = the caller's
  // -1 = /dev/null. The child has no other descriptors than these and `pass_fd`.
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  int pass_fd = -1;          // becomes descriptor 3; -1 = none
  bool new_session = false;  // leader of its own session and process group
  int death_signal = 0;      // sent to the child when the calling thread ends; 0 = none
  uid_t uid = 0;             // with gid, if change_user; groups are dropped
  gid_t gid = 0;
  bool change_user = false;
  // How much sooner than its like the child is killed when memory runs out (up to 1000); 0 = as
  // the caller. Best effort.
  int oom_score_adjust = 0;
  // Signals to set back to their default, bit n-1 for signal n. What the caller ignores must be in
  // it or stays ignored, and so must what it handles, unless the handler does nothing: it could run
  // in the child, in shared memory, just before the program starts.
  uint64_t reset_signals = ~uint64_t{0};
};

// How far the child came.
enum class ChildStage : uint8_t {
  kStarted,  // the program runs
  kFork,     // the rest: this step failed
  kSession,
  kUser,
  kDescriptors,
  kWorkDir,
  kExec,
};
std::string_view ToString(ChildStage stage);

struct ChildStart {
  pid_t pid = -1;  // valid if stage is kStarted; the caller must reap it
  ChildStage stage = ChildStage::kFork;
  int error_number = 0;
};

// Returns when the program has started or failed to; a child that failed is already reaped.
// Blocks all signals meanwhile. Safe in a process with threads.
ChildStart StartChild(const ChildPlan& plan);

}  // namespace penstock::process
