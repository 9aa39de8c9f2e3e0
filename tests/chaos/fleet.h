#pragma once
// A fleet for chaos: PostgreSQL, schedulers and workers as the real programs, with a fault proxy in
// front of each scheduler (its workers and fellow schedulers come that way) and one between each
// scheduler and the database. Or with a machine for each of them, and no proxies in front.
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
#include "tests/chaos/fault_proxy.h"
#include "tests/chaos/machines.h"
#include "tests/chaos/standby.h"

namespace penstock::chaos {

enum class StandbyKind { kNone, kSynchronous, kAsynchronous };
enum class Way { kBoth, kFromWorkers, kToWorkers };

struct FleetOptions {
  std::string bin_dir;   // penstock-scheduler and penstock-worker
  std::string data_dir;  // exists; reachable for PostgreSQL's user
  int schedulers = 2;
  int workers = 2;
  int slots = 8;  // of each worker
  StandbyKind standby = StandbyKind::kNone;
  // Schedulers reach the two servers by one connection string that names both, not by proxies.
  bool both_in_dsn = false;
  int max_connections = 100;   // of PostgreSQL
  bool ordinary_role = false;  // the schedulers' role is no superuser
  // PostgreSQL's files lie on a file system of this size in memory; 0 = beside the rest. Needs
  // root.
  int postgres_mb = 0;
  // A network namespace each: "database", "scheduler-1" ..., "worker-1" ... (Machines::Isolate()).
  bool machines = false;
  // Shorter than the defaults, so that leases end often. Durations as the flags have them.
  std::string domain_term = "2s";
  std::string session_term = "6s";
  std::string outage = "3s";
};

// A program that is started again with the same flags. Used by one thread: the one that
// started it, whose end is the program's end as well.
class Node {
 public:
  explicit Node(process::ProcessSpec spec, std::vector<std::string> command_prefix = {})
      : command_prefix_(std::move(command_prefix)), spec_(std::move(spec)) {}
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
  const std::vector<std::string> command_prefix_;  // of a program that becomes that of `spec_`
  process::ProcessSpec spec_;
  process::PidIdentity process_;
  bool started_ = false;
};

// One thread at a time, and always the same.
class Fleet {
 public:
  static absl::StatusOr<std::unique_ptr<Fleet>> Start(const FleetOptions& options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  const FleetOptions& options() const { return options_; }
  std::vector<Node>& schedulers() { return schedulers_; }
  // Of the scheduler with this number (1, 2 ...).
  std::string SchedulerLog(size_t number) const;
  // The one that schedulers connect as.
  std::string role() const { return options_.ordinary_role ? "plain" : "penstock"; }
  std::vector<Node>& workers() { return workers_; }
  RunningProxy& database_proxy(size_t scheduler) { return *database_proxies_[scheduler]; }
  // Not with machines.
  RunningProxy& scheduler_proxy(size_t scheduler) { return *scheduler_proxies_[scheduler]; }
  // With machines only; null without.
  Machines* machines() { return machines_.get(); }
  pgserver::PrivateServer& postgres() { return failed_over_ ? standby_->server() : *postgres_; }

  // Nothing that goes this way between any worker and any scheduler arrives any more.
  absl::Status CutWorkers(Way way);
  // Of any scheduler, `first` before the others; past the proxies, so that the client sees
  // processes die, not networks.
  std::unique_ptr<client::Client> NewClient(absl::Duration retry_for, size_t first = 0) const;
  // One value of the database; errors as text.
  std::string Query(const std::string& sql);
  Standby& standby() { return *standby_; }
  // The primary is killed, the standby promoted. From then on postgres() is what was the standby.
  absl::Status FailOver();
  // Ends all faults: everything runs and everything passes.
  absl::Status Heal();

 private:
  explicit Fleet(FleetOptions options) : options_(std::move(options)) {}
  absl::Status StartAll();
  absl::Status StartPostgres();
  // The way to the server that is the primary now.
  std::string database_socket() const { return options_.data_dir + "/primary"; }
  void PointAtPrimary() const;
  std::string SchedulerDsn(const RunningProxy& proxy) const;
  absl::Status AddScheduler(const client::PortPlan::Scheduler& ports);
  absl::Status AddWorker(int http_port);
  // Of a part of the fleet: its machine's, which is made.
  absl::StatusOr<std::string> AddHost(const std::string& name);
  absl::StatusOr<std::unique_ptr<RunningProxy>> StartDatabaseProxy() const;
  std::vector<std::string> CommandPrefix(const std::string& name) const;

  const FleetOptions options_;
  std::unique_ptr<Machines> machines_;  // outlives what runs on them
  std::string database_host_;
  std::unique_ptr<pgserver::PrivateServer> postgres_;  // the first primary
  std::unique_ptr<Standby> standby_;
  bool failed_over_ = false;
  bool mounted_ = false;
  std::vector<std::unique_ptr<RunningProxy>> database_proxies_, scheduler_proxies_;
  std::vector<std::string> addresses_;  // of the schedulers themselves
  std::vector<std::string> fronts_;     // under which workers and schedulers reach them
  std::vector<Node> schedulers_, workers_;
};

}  // namespace penstock::chaos
