#include "tests/chaos/fleet.h"

#include <sys/mount.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kStopPatience = absl::Seconds(20);

constexpr char kDatabase[] = "database";  // machines' names
std::string SchedulerName(size_t number) { return fmt::format("scheduler-{}", number); }
std::string WorkerName(size_t number) { return fmt::format("worker-{}", number); }

constexpr char kLoopback[] = "127.0.0.1";
std::string Address(const std::string& host, int port) { return fmt::format("{}:{}", host, port); }

}  // namespace

absl::Status Node::Start() {
  process::ProcessSpec spec = spec_;
  spec.argv.insert(spec.argv.begin(), command_prefix_.begin(), command_prefix_.end());
  PENSTOCK_ASSIGN_OR_RETURN(process_, process::SpawnDaemon(spec));
  started_ = true;
  return absl::OkStatus();
}

void Node::Kill() {
  started_ = false;
  Signal(SIGKILL);
  (void)process::Terminate(process_, absl::Seconds(5));  // reaps it
}

absl::Status Node::Stop(absl::Duration patience) {
  started_ = false;
  const SteadyTime begin = RealClock().Steady();
  PENSTOCK_RETURN_IF_ERROR(process::Terminate(process_, patience));
  if (RealClock().Steady() - begin < patience) return absl::OkStatus();
  return absl::DeadlineExceededError(spec_.argv[0] + " had to be killed");
}

void Node::Use(const std::string& bin_dir) {
  spec_.argv[0] = std::filesystem::path(bin_dir) / std::filesystem::path(spec_.argv[0]).filename();
}

absl::StatusOr<std::unique_ptr<Fleet>> Fleet::Start(const FleetOptions& options) {
  std::unique_ptr<Fleet> fleet(new Fleet(options));
  PENSTOCK_RETURN_IF_ERROR(fleet->StartAll());
  return fleet;
}

absl::Status Fleet::StartPostgres() {
  pgserver::PrivateServerOptions server;
  server.dir = options_.data_dir + "/postgres";
  server.stop_with_parent = true;
  server.max_connections = options_.max_connections;
  if (options_.postgres_mb > 0) {
    std::filesystem::create_directory(server.dir);
    const std::string size = fmt::format("size={}m,mode=755", options_.postgres_mb);
    mounted_ = mount("tmpfs", server.dir.c_str(), "tmpfs", 0, size.c_str()) == 0;
    if (!mounted_) return absl::PermissionDeniedError("a file system in memory needs root");
  }
  PENSTOCK_ASSIGN_OR_RETURN(postgres_, pgserver::PrivateServer::Start(server));
  PENSTOCK_RETURN_IF_ERROR(postgres_->EnsureDatabase("penstock"));
  if (!options_.ordinary_role) return absl::OkStatus();
  return RunSql(*postgres_, "penstock",
                "create role plain login; create role other login;"
                "alter database penstock owner to plain")
      .status();
}

absl::StatusOr<std::string> Fleet::AddHost(const std::string& name) {
  return machines_ ? machines_->Add(name) : std::string(kLoopback);
}

std::vector<std::string> Fleet::CommandPrefix(const std::string& name) const {
  return machines_ ? Machines::CommandPrefix(name) : std::vector<std::string>();
}

absl::Status Fleet::StartAll() {
  if (options_.machines) {
    PENSTOCK_ASSIGN_OR_RETURN(machines_, Machines::Create());
  }
  PENSTOCK_ASSIGN_OR_RETURN(database_host_, AddHost(kDatabase));
  PENSTOCK_RETURN_IF_ERROR(StartPostgres());
  PointAtPrimary();
  if (options_.standby != StandbyKind::kNone) {
    PENSTOCK_ASSIGN_OR_RETURN(standby_,
                              Standby::Start(*postgres_, options_.data_dir + "/standby",
                                             options_.standby == StandbyKind::kSynchronous));
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const client::PortPlan ports,
      client::ChoosePorts(/*first=*/0, options_.schedulers, options_.workers));
  for (const auto& scheduler : ports.schedulers) PENSTOCK_RETURN_IF_ERROR(AddScheduler(scheduler));
  for (const int http : ports.workers) PENSTOCK_RETURN_IF_ERROR(AddWorker(http));
  return Heal();
}

std::string Fleet::SchedulerLog(size_t number) const {
  return fmt::format("{}/scheduler-{}.log", options_.data_dir, number);
}

void Fleet::PointAtPrimary() const {
  std::filesystem::remove(database_socket());
  std::filesystem::create_symlink(
      (failed_over_ ? standby_->server() : *postgres_).socket_dir() + "/.s.PGSQL.5432",
      database_socket());
}

std::string Fleet::SchedulerDsn(const RunningProxy& proxy) const {
  if (!options_.both_in_dsn) {
    return fmt::format("host={} port={} user={} dbname=penstock", database_host_, proxy.port(),
                       role());
  }
  return fmt::format(
      "host={},{} port=5432,5432 user={} dbname=penstock target_session_attrs=read-write",
      postgres_->socket_dir(), standby_->server().socket_dir(), role());
}

absl::Status Fleet::FailOver() {
  PENSTOCK_RETURN_IF_ERROR(KillServer(*postgres_));
  PENSTOCK_RETURN_IF_ERROR(standby_->Promote());
  failed_over_ = true;
  PointAtPrimary();
  return absl::OkStatus();
}

// The server has a socket in the file system, which knows no machines: its face to them is the
// proxy.
absl::StatusOr<std::unique_ptr<RunningProxy>> Fleet::StartDatabaseProxy() const {
  const service::ListenAddress server{database_socket(), 0, true};
  absl::StatusOr<std::unique_ptr<RunningProxy>> proxy;
  const auto start = [&] {
    proxy = RunningProxy::Start(server, database_host_);
    return proxy.status();
  };
  PENSTOCK_RETURN_IF_ERROR(machines_ ? Machines::On(kDatabase, start) : start());
  return proxy;
}

absl::Status Fleet::AddScheduler(const client::PortPlan::Scheduler& ports) {
  const size_t number = schedulers_.size() + 1;
  const std::string name = SchedulerName(number);
  PENSTOCK_ASSIGN_OR_RETURN(const std::string host, AddHost(name));
  PENSTOCK_ASSIGN_OR_RETURN(auto database, StartDatabaseProxy());
  addresses_.push_back(Address(host, ports.grpc));
  fronts_.push_back(addresses_.back());
  if (machines_ == nullptr) {
    PENSTOCK_ASSIGN_OR_RETURN(auto front,
                              RunningProxy::Start({host, ports.grpc, false}, kLoopback));
    fronts_.back() = Address(kLoopback, front->port());
    scheduler_proxies_.push_back(std::move(front));
  }
  const std::string dsn_file = fmt::format("{}/dsn-{}", options_.data_dir, number);
  std::ofstream(dsn_file) << SchedulerDsn(*database) << '\n';
  process::ProcessSpec spec;
  spec.argv = {options_.bin_dir + "/penstock-scheduler",
               "--dsn-file",
               dsn_file,
               "--listen",
               addresses_.back(),
               "--advertise",
               fronts_.back(),
               "--http",
               Address(kLoopback, ports.http),
               "--name",
               name,
               "--log-dir",
               options_.data_dir + "/task-logs",
               "--domain-term",
               options_.domain_term,
               "--session-term",
               options_.session_term,
               "--outage",
               options_.outage,
               "--infra-retries",
               "1000",
               "--exit-with-parent"};
  spec.log_file = SchedulerLog(number);
  schedulers_.emplace_back(std::move(spec), CommandPrefix(name));
  database_proxies_.push_back(std::move(database));
  return absl::OkStatus();
}

absl::Status Fleet::AddWorker(int http_port) {
  const size_t number = workers_.size() + 1;
  const std::string name = WorkerName(number);
  PENSTOCK_RETURN_IF_ERROR(AddHost(name).status());
  process::ProcessSpec spec;
  spec.argv = {options_.bin_dir + "/penstock-worker",
               "--schedulers",
               absl::StrJoin(fronts_, ","),
               "--http",
               Address(kLoopback, http_port),
               "--name",
               name,
               "--slots",
               std::to_string(options_.slots),
               "--work-dir",
               fmt::format("{}/work-{}", options_.data_dir, number),
               "--exit-with-parent"};
  spec.log_file = fmt::format("{}/worker-{}.log", options_.data_dir, number);
  workers_.emplace_back(std::move(spec), CommandPrefix(name));
  return absl::OkStatus();
}

Fleet::~Fleet() {
  for (Node& node : workers_) node.Kill();
  for (Node& node : schedulers_) node.Kill();
  if (standby_ != nullptr) {
    (void)standby_->server().Stop(pgserver::StopMode::kImmediate, kStopPatience);
  }
  if (postgres_ != nullptr) {
    (void)postgres_->Stop(pgserver::StopMode::kImmediate, kStopPatience);
  }
  if (mounted_) (void)umount2((options_.data_dir + "/postgres").c_str(), MNT_DETACH);
}

absl::Status Fleet::CutWorkers(Way way) {
  for (auto& proxy : scheduler_proxies_) {
    proxy->Command(way == Way::kBoth        ? "stall"
                   : way == Way::kToWorkers ? "stall down"
                                            : "stall up");
  }
  if (machines_ == nullptr) return absl::OkStatus();
  for (size_t s = 1; s <= schedulers_.size(); ++s) {
    for (size_t w = 1; w <= workers_.size(); ++w) {
      const std::string scheduler = SchedulerName(s), worker = WorkerName(w);
      if (way != Way::kToWorkers) PENSTOCK_RETURN_IF_ERROR(machines_->Lose(worker, scheduler));
      if (way != Way::kFromWorkers) PENSTOCK_RETURN_IF_ERROR(machines_->Lose(scheduler, worker));
    }
  }
  return absl::OkStatus();
}

absl::Status Fleet::Heal() {
  if (machines_) PENSTOCK_RETURN_IF_ERROR(machines_->Heal());
  if (postgres().Poll() != pgserver::ServerState::kRunning) {
    PENSTOCK_RETURN_IF_ERROR(postgres().Restart());
  }
  for (auto& proxy : database_proxies_) proxy->Command("pass");
  for (auto& proxy : scheduler_proxies_) proxy->Command("pass");
  for (std::vector<Node>* nodes : {&schedulers_, &workers_}) {
    for (Node& node : *nodes) {
      node.Signal(SIGCONT);
      if (!node.alive()) PENSTOCK_RETURN_IF_ERROR(node.Start());
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<client::Client> Fleet::NewClient(absl::Duration retry_for, size_t first) const {
  client::ClientOptions options;
  options.addresses = addresses_;
  std::swap(options.addresses.front(), options.addresses[first]);
  options.retry_for = retry_for;
  return std::make_unique<client::Client>(std::move(options), RealClock());
}

std::string Fleet::Query(const std::string& sql) {
  const auto answer = RunSql(postgres(), "penstock", sql);
  return answer.ok() ? *answer : answer.status().ToString();
}

}  // namespace penstock::chaos
