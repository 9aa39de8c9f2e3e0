#pragma once
// A fleet for chaos: PostgreSQL, schedulers and workers as the real programs, with a fault proxy in
// front of each scheduler (its workers, clients and fellow schedulers come that way) and one
// between each scheduler and the database.
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/client.h"
#include "client/standalone/ports.h"
#include "common/pgserver/private_server.h"
#include "common/process/pid_identity.h"
#include "common/process/spawn.h"
#include "common/service/thread.h"
#include "tests/chaos/fault_proxy.h"

namespace penstock::chaos {

struct FleetOptions {
  std::string bin_dir;   // penstock-scheduler and penstock-worker
  std::string data_dir;  // exists; reachable for PostgreSQL's user
  int schedulers = 2;
  int workers = 2;
  int slots = 8;  // of each worker
  // Shorter than the defaults, so that leases end often. Durations as the flags have them.
  std::string domain_term = "2s";
  std::string session_term = "6s";
  std::string outage = "3s";
};

// A program that is started again with the same flags. Used by one thread: the one that
// started it, whose end is the program's end as well.
class Node {
 public:
  explicit Node(process::ProcessSpec spec) : spec_(std::move(spec)) {}
  absl::Status Start();
  void Kill();  // SIGKILL, and waits for the end
  // SIGTERM, and waits for the end; DEADLINE_EXCEEDED when it had to be killed after `patience`.
  absl::Status Stop(absl::Duration patience);
  // The next start runs the program of the same name in `bin_dir`.
  void Use(const std::string& bin_dir);
  void Signal(int signal) { (void)process::SendSignal(process_, signal); }
  bool alive() const { return process::IsAlive(process_); }
  // Not running, although nobody has killed it here.
  bool died() const { return started_ && !alive(); }
  pid_t pid() const { return process_.pid; }

 private:
  process::ProcessSpec spec_;
  process::PidIdentity process_;
  bool started_ = false;
};

// A proxy and the thread that runs it.
class RunningProxy {
 public:
  static absl::StatusOr<std::unique_ptr<RunningProxy>> Start(const service::ListenAddress& server);
  ~RunningProxy() { proxy_->Stop(); }
  RunningProxy(const RunningProxy&) = delete;
  RunningProxy& operator=(const RunningProxy&) = delete;
  // One of fault_proxy.h's commands, which must be right.
  void Command(std::string_view line);
  int port() const { return proxy_->port(); }

 private:
  explicit RunningProxy(std::unique_ptr<FaultProxy> proxy)
      : proxy_(std::move(proxy)), thread_("proxy", [this] { proxy_->Run(); }) {}
  const std::unique_ptr<FaultProxy> proxy_;
  ProxyState state_;
  service::Thread thread_;
};

// One thread at a time, and always the same.
class Fleet {
 public:
  static absl::StatusOr<std::unique_ptr<Fleet>> Start(const FleetOptions& options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  std::vector<Node>& schedulers() { return schedulers_; }
  std::vector<Node>& workers() { return workers_; }
  RunningProxy& database_proxy(size_t scheduler) { return *database_proxies_[scheduler]; }
  RunningProxy& scheduler_proxy(size_t scheduler) { return *scheduler_proxies_[scheduler]; }
  pgserver::PrivateServer& postgres() { return *postgres_; }

  // Of any scheduler; past the proxies, so that the client sees processes die, not networks.
  std::unique_ptr<client::Client> NewClient(absl::Duration retry_for) const;
  // One value of the database; errors as text.
  std::string Query(const std::string& sql) const;
  // Ends all faults: everything runs and everything passes.
  absl::Status Heal();

 private:
  explicit Fleet(FleetOptions options) : options_(std::move(options)) {}
  absl::Status StartAll();
  absl::Status AddScheduler(const client::PortPlan::Scheduler& ports);
  void AddWorker(int http_port);

  const FleetOptions options_;
  std::unique_ptr<pgserver::PrivateServer> postgres_;
  std::vector<std::unique_ptr<RunningProxy>> database_proxies_, scheduler_proxies_;
  std::vector<std::string> addresses_;  // of the schedulers themselves
  std::vector<Node> schedulers_, workers_;
};

}  // namespace penstock::chaos
