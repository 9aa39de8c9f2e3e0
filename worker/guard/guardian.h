#pragma once
// The guardian: a small process beside the worker's main one. It forks the runners, is the last
// parent of whatever a dead runner leaves behind, and sweeps up what earlier workers left.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/process/memory_cgroup.h"
#include "common/process/unique_fd.h"
#include "worker/guard/packet.h"

namespace penstock::worker::guard {

// Attempts carry it in their environment, so that the next worker on this machine finds those that
// outlived both their worker and its guardian.
inline constexpr char kLifeVariable[] = "PENSTOCK_WORKER_LIFE";

// Where a guardian keeps things, told by the main process on the command line.
struct GuardianPlace {
  std::string root;  // directory of all lives of workers on this machine; exists
  std::string life;  // name of this life: the main process' identity (pid_identity.h)
  bool use_cgroups = true;
};

// Single-threaded; the process is its own.
class Guardian {
 public:
  Guardian(process::UniqueFd socket, GuardianPlace place);
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  // Serves until the main process has ended and all attempts are dead. Then, unless it ended on
  // purpose, becomes the program that it left as last words. Returns the exit code otherwise.
  int Serve();

 private:
  struct RunnerProcess {
    pid_t pid;
    uint32_t id;
  };

  bool Start();
  void Wait();
  void TakePackets();
  void Dispatch(Packet packet);
  void ForkRunner(uint32_t id, process::UniqueFd socket);
  [[noreturn]] void BecomeRunner(uint32_t id, process::UniqueFd socket);
  void ForkSweeper(std::vector<std::string> dirs);
  void TakeLastWords(const Packet& packet);
  // Reaps what has ended. False: there are no children left.
  bool ReapChildren();
  void RunnerEnded(const RunnerProcess& runner);
  // Kills whatever dead runners left behind and waits for its end.
  void EndOrphans();
  std::vector<pid_t> SparedPids() const;
  // Kills attempts of workers that are gone and returns their directories.
  std::vector<std::string> EndDeadLives();
  void Leave();

  const process::UniqueFd socket_;
  const GuardianPlace place_;
  const pid_t main_;
  std::optional<process::CgroupPlace> cgroups_;
  process::UniqueFd signals_;
  std::vector<RunnerProcess> runners_;
  pid_t sweeper_ = 0;
  std::vector<std::string> last_words_;
  bool closing_ = false;
  bool on_purpose_ = false;
};

// The body of the guardian program: `penstock-guardian ROOT LIFE WIRE_VERSION CGROUPS`, its socket
// being descriptor 3.
int GuardianMain(int argc, char** argv);

}  // namespace penstock::worker::guard
