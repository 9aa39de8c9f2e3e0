#pragma once
// A runner: the small process that runs attempts, one at a time, and guards the one it runs.
//
// It is forked from the guardian, is the subreaper of all that its attempt starts (so "everything
// below me" is the attempt's whole tree, setsid and double forks included), and holds the attempt's
// deadlines on CLOCK_BOOTTIME by itself: it needs nobody alive or answering to enforce them.
#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/process/memory_cgroup.h"
#include "common/process/unique_fd.h"
#include "worker/guard/packet.h"
#include "worker/guard/request.h"
#include "worker/guard/wire.h"
#include "worker/guard/work_dir.h"

namespace penstock::worker::guard {

// Sent to a runner by the kernel when the guardian dies.
inline constexpr int kOrphanedSignal = SIGUSR1;

// Guardian and runners do not react to requests to end: they end when the main process does.
// Handled by nothing rather than ignored, so that programs they execute start with the default.
void HandleNoSignals();

// Single-threaded; the process is its own.
class Runner {
 public:
  // `cgroups`: where a memory cgroup of the runner's own can be made, or none.
  Runner(process::UniqueFd socket, uint32_t id, std::optional<process::CgroupPlace> cgroups);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Runs attempts until the other end of the socket is closed (main ended) or the guardian died;
  // the tree of the attempt is dead and its directory removed when this returns.
  void Serve();

 private:
  void Wait();
  void TakeSignals();
  void TakePackets();
  void Dispatch(Packet packet);

  void Begin(const Request& request);
  bool Prepare(const Request& request);
  bool ApplyMemoryLimit(int64_t bytes);
  void RenewCgroup();
  void Launch(const Request& request);

  void Extend(int64_t lease_deadline_us);
  void AskToStop(EndedBy by, int64_t grace_us);
  void Strike(EndedBy by);
  void Announce();
  void CheckDeadlines();
  void ArmTimer();

  // Reaps what has ended; whether children are left.
  bool ReapChildren();
  void Finish();
  void EndTree();
  void Report();
  void SetError(std::string_view what, int error_number);

  const process::UniqueFd socket_;
  const uint32_t id_;
  const std::optional<process::CgroupPlace> cgroups_;
  process::UniqueFd signals_;
  process::UniqueFd timer_;
  std::optional<process::MemoryCgroup> cgroup_;
  uint32_t cgroup_generation_ = 0;
  bool limited_ = false;  // the cgroup has a limit
  int64_t oom_kills_seen_ = 0;
  int64_t armed_us_ = 0;  // when the timer fires; 0 = not set
  bool closing_ = false;
  WorkDir work_dir_;

  // The attempt at hand.
  bool busy_ = false;
  bool leader_ended_ = false;
  bool announced_ = false;  // kStarted was sent
  bool stopping_ = false;   // asked or struck; `ended_.by` says by whom
  bool struck_ = false;
  int64_t lease_deadline_us_ = 0;
  int64_t timeout_at_us_ = 0;  // 0 = none
  int64_t strike_at_us_ = 0;   // while stopping: when to strike, or strike again
  int64_t announce_at_us_ = 0;
  int64_t grace_us_ = 0;
  std::string work_dir_path_;
  std::string output_name_;
  Ended ended_{};
};

}  // namespace penstock::worker::guard
