#pragma once
// One scheduler or worker process under supervision.
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/standalone/state_file.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"

namespace penstock::client {

// When to start a process again that died: at once the first time, then later and later, until it
// has lived for a minute. Not thread-safe.
class RestartPolicy {
 public:
  explicit RestartPolicy(uint64_t seed);
  // The pause after a life of `lived`: at most 30 s.
  absl::Duration PauseAfter(absl::Duration lived);

 private:
  Backoff backoff_;
};

// "exit code 3" or "signal 9 (Killed)", of a status that waitpid gave.
std::string DescribeEnd(int wait_status);

// Not thread-safe: belongs to the supervisor. The destructor leaves the process alone; the kernel
// kills it when the supervisor's main thread ends.
class Node {
 public:
  struct Spec {
    std::string name;               // "scheduler-1"
    std::vector<std::string> argv;  // argv[0] is a path
    std::string log_file;
    int grpc_port = 0;  // 0: a worker
    int http_port = 0;
  };
  Node(Spec spec, const Clock& clock);

  // A failure plans the next try, as the end of the process does.
  absl::Status Start();
  // Notices the end of the process. Returns how it ended, once for each life.
  std::optional<std::string> Reap();
  // After a life that ended: when Start() is due. Infinite while the process runs.
  SteadyTime restart_at() const { return restart_at_; }
  void Signal(int signal) const;

  bool running() const { return running_; }
  bool Ready() const;  // answers /readyz
  // The last line that the process wrote, for error messages. Empty when there is none.
  std::string LastLogLine() const;
  // Guardians are looked up in /proc: the worker's children that run its program or the guardian's.
  NodeState Describe() const;
  const Spec& spec() const { return spec_; }

 private:
  void PlanRestart();

  const Spec spec_;
  const Clock& clock_;
  RestartPolicy policy_;
  process::PidIdentity identity_;
  bool running_ = false;
  SteadyTime started_at_;
  SteadyTime restart_at_ = SteadyTime::Infinite();
};

}  // namespace penstock::client
