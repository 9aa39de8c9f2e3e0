#include "tests/chaos/fleet.h"

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

absl::StatusOr<std::unique_ptr<RunningProxy>> RunningProxy::Start(
    const service::ListenAddress& server) {
  PENSTOCK_ASSIGN_OR_RETURN(auto proxy,
                            FaultProxy::Listen({"127.0.0.1", 0, false}, server, RealClock()));
  return std::unique_ptr<RunningProxy>(new RunningProxy(std::move(proxy)));
}

void RunningProxy::Command(std::string_view line) {
  PENSTOCK_CHECK(ApplyCommand(line, &state_).ok(), "a known command");
  proxy_->Set(state_);
}

absl::StatusOr<std::unique_ptr<Fleet>> Fleet::Start(const FleetOptions& options) {
  std::unique_ptr<Fleet> fleet(new Fleet(options));
  PENSTOCK_RETURN_IF_ERROR(fleet->StartAll());
  return fleet;
}

absl::Status Fleet::StartAll() {
  pgserver::PrivateServerOptions server;
  server.dir = options_.data_dir + "/postgres";
  server.stop_with_parent = true;
  PENSTOCK_ASSIGN_OR_RETURN(postgres_, pgserver::PrivateServer::Start(server));
  PENSTOCK_RETURN_IF_ERROR(postgres_->EnsureDatabase("penstock"));
  PENSTOCK_ASSIGN_OR_RETURN(
      const client::PortPlan ports,
      client::ChoosePorts(/*first=*/0, options_.schedulers, options_.workers));
  for (const auto& scheduler : ports.schedulers) PENSTOCK_RETURN_IF_ERROR(AddScheduler(scheduler));
  for (const int http : ports.workers) AddWorker(http);
  return Heal();
}

absl::Status Fleet::AddScheduler(const client::PortPlan::Scheduler& ports) {
  const size_t number = schedulers_.size() + 1;
  PENSTOCK_ASSIGN_OR_RETURN(
      auto database, RunningProxy::Start({postgres_->socket_dir() + "/.s.PGSQL.5432", 0, true}));
  PENSTOCK_ASSIGN_OR_RETURN(auto front, RunningProxy::Start({"127.0.0.1", ports.grpc, false}));
  const std::string dsn_file = fmt::format("{}/dsn-{}", options_.data_dir, number);
  std::ofstream(dsn_file) << fmt::format("host=127.0.0.1 port={} user=penstock dbname=penstock\n",
                                         database->port());
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
  spec.log_file = fmt::format("{}/scheduler-{}.log", options_.data_dir, number);
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
  if (postgres_ != nullptr) {
    (void)postgres_->Stop(pgserver::StopMode::kImmediate, kStopPatience);
  }
}

absl::Status Fleet::Heal() {
  if (postgres_->Poll() != pgserver::ServerState::kRunning) {
    PENSTOCK_RETURN_IF_ERROR(postgres_->Restart());
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

std::string Fleet::Query(const std::string& sql) const {
  process::ProcessSpec spec;
  spec.argv = {(postgres_->bin_dir() / "psql").string(),
               "-XAtq",
               "-d",
               postgres_->Dsn("penstock"),
               "-c",
               sql};
  const auto result = process::RunCommand(spec, absl::Minutes(1));
  if (!result.ok()) return result.status().ToString();
  std::string text = result->output;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace penstock::chaos
