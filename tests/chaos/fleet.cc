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

std::string Loopback(int port) { return fmt::format("127.0.0.1:{}", port); }

}  // namespace

absl::Status Node::Start() {
  PENSTOCK_ASSIGN_OR_RETURN(process_, process::SpawnDaemon(spec_));
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

absl::Status Fleet::StartAll() {
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
  for (const int http : ports.workers) AddWorker(http);
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
    return fmt::format("host=127.0.0.1 port={} user={} dbname=penstock", proxy.port(), role());
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

absl::Status Fleet::AddScheduler(const client::PortPlan::Scheduler& ports) {
  const size_t number = schedulers_.size() + 1;
  PENSTOCK_ASSIGN_OR_RETURN(auto database, RunningProxy::Start({database_socket(), 0, true}));
  PENSTOCK_ASSIGN_OR_RETURN(auto front, RunningProxy::Start({"127.0.0.1", ports.grpc, false}));
  const std::string dsn_file = fmt::format("{}/dsn-{}", options_.data_dir, number);
  std::ofstream(dsn_file) << SchedulerDsn(*database) << '\n';
  process::ProcessSpec spec;
  spec.argv = {options_.bin_dir + "/penstock-scheduler",
               "--dsn-file",
               dsn_file,
               "--listen",
               Loopback(ports.grpc),
               "--advertise",
               Loopback(front->port()),
               "--http",
               Loopback(ports.http),
               "--name",
               fmt::format("scheduler-{}", number),
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
  schedulers_.emplace_back(std::move(spec));
  addresses_.push_back(Loopback(ports.grpc));
  database_proxies_.push_back(std::move(database));
  scheduler_proxies_.push_back(std::move(front));
  return absl::OkStatus();
}

void Fleet::AddWorker(int http_port) {
  const size_t number = workers_.size() + 1;
  std::vector<std::string> fronts;
  for (const auto& proxy : scheduler_proxies_) fronts.push_back(Loopback(proxy->port()));
  process::ProcessSpec spec;
  spec.argv = {options_.bin_dir + "/penstock-worker",
               "--schedulers",
               absl::StrJoin(fronts, ","),
               "--http",
               Loopback(http_port),
               "--name",
               fmt::format("worker-{}", number),
               "--slots",
               std::to_string(options_.slots),
               "--work-dir",
               fmt::format("{}/work-{}", options_.data_dir, number),
               "--exit-with-parent"};
  spec.log_file = fmt::format("{}/worker-{}.log", options_.data_dir, number);
  workers_.emplace_back(std::move(spec));
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

absl::Status Fleet::Heal() {
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

std::unique_ptr<client::Client> Fleet::NewClient(absl::Duration retry_for) const {
  client::ClientOptions options;
  options.addresses = addresses_;
  options.retry_for = retry_for;
  return std::make_unique<client::Client>(std::move(options), RealClock());
}

std::string Fleet::Query(const std::string& sql) {
  const auto answer = RunSql(postgres(), "penstock", sql);
  return answer.ok() ? *answer : answer.status().ToString();
}

}  // namespace penstock::chaos
