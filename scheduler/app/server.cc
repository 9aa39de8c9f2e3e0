#include "scheduler/app/server.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/http/endpoint.h"
#include "common/http/health.h"
#include "common/logstore/file_log_store.h"
#include "common/obs/log.h"
#include "common/obs/process_metrics.h"
#include "common/rpc/server.h"
#include "common/service/event.h"
#include "common/service/lifecycle.h"
#include "common/service/signals.h"
#include "scheduler/app/dsn.h"
#include "scheduler/app/metrics.h"
#include "scheduler/app/retention.h"
#include "scheduler/store/pg/catalog.h"
#include "scheduler/store/pg/domain_store.h"
#include "scheduler/store/pg/fleet_store.h"
#include "scheduler/store/pg/maintenance.h"

namespace penstock::app {
namespace {

constexpr absl::Duration kDatabasePatience = absl::Minutes(1);
constexpr absl::Duration kDatabasePause = absl::Seconds(1);
constexpr absl::Duration kHandOverPatience = absl::Seconds(3);
constexpr absl::Duration kCallsPatience = absl::Seconds(2);
constexpr int64_t kCachedTasks = 1'000'000;  // of versions that inbox rows name

std::string MachineName() {
  struct utsname names {};
  return uname(&names) == 0 ? names.nodename : "scheduler";
}

lease::Terms FromStored(const store::StoredTerms& stored, absl::Duration outage) {
  lease::Terms terms;
  terms.domain = absl::Milliseconds(stored.domain_term_ms);
  terms.session = absl::Milliseconds(stored.session_term_ms);
  terms.margin = absl::Milliseconds(stored.margin_ms);
  terms.outage = outage;
  return terms;
}

// The namespace that requests without one mean. Several schedulers may make it at once.
absl::Status EnsureDefaultNamespace(store::Catalog& catalog) {
  absl::Status found = catalog.FindNamespace("default").status();
  if (!absl::IsNotFound(found)) return found;
  const absl::Status made = catalog.CreateNamespace("default", std::nullopt, 1).status();
  return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
}

// What hangs on the database. Built once it answers; members in the order of dependency.
struct Core {
  std::unique_ptr<pg::Database> owners;    // loads and flushes: never behind a request
  std::unique_ptr<pg::Database> requests;  // the API, housekeeping
  std::unique_ptr<pg::PgCatalog> owner_catalog;
  std::unique_ptr<pg::PgCatalog> catalog;
  std::unique_ptr<pg::PgMaintenance> maintenance;
  std::unique_ptr<api::NamespaceCache> inbox_namespaces;
  std::unique_ptr<api::VersionCache> inbox_versions;
  std::unique_ptr<api::InboxCommands> inbox;
  std::unique_ptr<engine::Fleet> fleet;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<Retention> retention;
  std::unique_ptr<DomainMetrics> metrics;
};

// One life of the process.
class Server {
 public:
  explicit Server(const Config& config);
  int Run();

 private:
  absl::Status StartHttp();
  absl::Status OpenDatabase();
  absl::StatusOr<store::StoredTerms> PrepareDatabase(store::FleetStore* store);
  absl::Status BuildCore(std::unique_ptr<store::FleetStore> store, const lease::Terms& terms);
  engine::FleetOptions FleetSettings(const lease::Terms& terms) const;
  absl::Status StartRpc();
  void StopRpc(absl::Duration patience);
  void AddSteps();
  pg::Options DatabaseOptions(const Dsns& dsns, int connections, const char* what);
  http::Health Alive() const;
  http::Health Ready() const;
  void Tell(const service::LifecycleEvent& event) const;

  const Config config_;
  const std::string name_;
  const Clock& clock_ = RealClock();
  service::Event ending_;
  obs::Registry registry_;
  EngineMetrics engine_metrics_{&registry_};
  ApiMetrics api_metrics_{&registry_};
  StatementMetrics statement_metrics_{&registry_};
  logstore::FileLogStore logs_;
  engine::SessionHub hub_{clock_};
  std::unique_ptr<http::Endpoint> http_;
  Core core_;
  std::unique_ptr<rpc::Server> rpc_;
  // The core as the health page and the metrics may see it: set once it is complete.
  std::atomic<const Core*> visible_{nullptr};
  std::atomic<bool> serving_{false};
  service::Lifecycle lifecycle_;
};

Server::Server(const Config& config)
    : config_(config),
      name_(config.name.empty() ? MachineName() : config.name),
      logs_({config.log_dir, config.max_log_bytes, config.sync_logs}),
      lifecycle_(
          {[this](const service::LifecycleEvent& event) { Tell(event); }, absl::Seconds(1)}) {}

void Server::Tell(const service::LifecycleEvent& event) const {
  using Kind = service::LifecycleEvent::Kind;
  switch (event.kind) {
    case Kind::kStarted:
      return obs::Debug("started", {{"part", event.step}, {"took", event.took}});
    case Kind::kStopped:
      return obs::Debug("stopped", {{"part", event.step}, {"took", event.took}});
    case Kind::kStartFailed:
      return;  // reported by Run
    case Kind::kStuck:
      break;
  }
  // Leases expire and the database holds everything: ending hard is safe.
  obs::Error("a part does not stop; ending at once", {{"part", event.step}});
  obs::FlushLog();
  _exit(1);
}

// ---- Start ----

absl::Status Server::StartHttp() {
  obs::AddProcessMetrics(&registry_);
  obs::AddBuildInfo(&registry_, PENSTOCK_VERSION, "scheduler");
  registry_.AddCollector([this] {
    const Core* core = visible_.load();
    if (core != nullptr) core->metrics->Refresh();
  });
  http::Endpoint::Options options;
  options.address = config_.http;
  http_ = std::make_unique<http::Endpoint>(options);
  http::ServeMetrics(http_.get(), &registry_);
  http::ServeHealth(http_.get(), "/healthz", [this] { return Alive(); });
  http::ServeHealth(http_.get(), "/readyz", [this] { return Ready(); });
  return http_->Start();
}

http::Health Server::Alive() const {
  const Core* core = visible_.load();
  if (core == nullptr || core->fleet->Alive()) return {};
  return {false, "a loop has made no pass for long"};
}

http::Health Server::Ready() const {
  const Core* core = visible_.load();
  if (core == nullptr || !serving_.load()) return {false, "starting or ending"};
  if (!core->fleet->Ready()) return {false, "no beat reaches the database"};
  return {};
}

pg::Options Server::DatabaseOptions(const Dsns& dsns, int connections, const char* what) {
  pg::Options options;
  options.dsn = dsns.main;
  options.fleet_dsn = dsns.direct;
  options.schema = config_.schema;
  options.direct = !config_.pgbouncer;
  options.max_connections = connections;
  options.application_name = std::string("penstock-scheduler-") + what;
  options.terms = {absl::ToInt64Milliseconds(config_.terms.domain),
                   absl::ToInt64Milliseconds(config_.terms.session),
                   absl::ToInt64Milliseconds(config_.terms.margin)};
  options.observer = [this](std::string_view name, double seconds, bool ok) {
    statement_metrics_.Ran(name, seconds, ok);
  };
  return options;
}

absl::Status Server::OpenDatabase() {
  PENSTOCK_ASSIGN_OR_RETURN(const Dsns dsns, ReadDsns(config_));
  const int own = config_.db_connections / 2;
  PENSTOCK_ASSIGN_OR_RETURN(core_.owners,
                            pg::Database::Create(DatabaseOptions(dsns, own, "owner"), clock_));
  PENSTOCK_ASSIGN_OR_RETURN(
      core_.requests,
      pg::Database::Create(DatabaseOptions(dsns, config_.db_connections - own, "api"), clock_));
  auto store = std::make_unique<pg::PgFleetStore>(*core_.owners);
  PENSTOCK_ASSIGN_OR_RETURN(const store::StoredTerms stored, PrepareDatabase(store.get()));
  const lease::Terms terms = FromStored(stored, config_.terms.outage);
  if (const absl::Status valid = lease::Validate(terms); !valid.ok()) {
    obs::Warning("the stored terms are shorter than this outage needs", {{"reason", valid}});
  }
  return BuildCore(std::move(store), terms);
}

absl::StatusOr<store::StoredTerms> Server::PrepareDatabase(store::FleetStore* store) {
  const SteadyTime deadline = clock_.Steady() + kDatabasePatience;
  while (true) {
    absl::StatusOr<store::StoredTerms> terms = store->Prepare();
    if (terms.ok() || !absl::IsUnavailable(terms.status())) return terms;
    if (clock_.Steady() >= deadline) return terms;
    obs::Warning("the database does not answer yet", {{"reason", Message(terms.status())}});
    if (ending_.WaitFor(kDatabasePause)) return absl::CancelledError("asked to end");
  }
}

engine::FleetOptions Server::FleetSettings(const lease::Terms& terms) const {
  engine::FleetOptions options;
  options.name = name_;
  options.address = config_.advertise.empty() ? config_.listen : config_.advertise;
  options.terms = terms;
  options.core.terms = terms;
  options.core.infra_retries = config_.infra_retries;
  options.core.ageing_bound = config_.ageing_bound;
  options.flush_threads = std::max(2, config_.db_connections / 2);
  return options;
}

absl::Status Server::BuildCore(std::unique_ptr<store::FleetStore> store,
                               const lease::Terms& terms) {
  core_.owner_catalog = std::make_unique<pg::PgCatalog>(*core_.owners);
  core_.catalog = std::make_unique<pg::PgCatalog>(*core_.requests);
  core_.maintenance = std::make_unique<pg::PgMaintenance>(*core_.requests, clock_);
  PENSTOCK_RETURN_IF_ERROR(core_.maintenance->EnsurePartitions().status());
  PENSTOCK_RETURN_IF_ERROR(EnsureDefaultNamespace(*core_.catalog));
  core_.inbox_namespaces = std::make_unique<api::NamespaceCache>(*core_.owner_catalog);
  core_.inbox_versions = std::make_unique<api::VersionCache>(*core_.owner_catalog, kCachedTasks);
  core_.inbox = std::make_unique<api::InboxCommands>(*core_.owner_catalog, *core_.inbox_namespaces,
                                                     *core_.inbox_versions, clock_);
  core_.fleet = std::make_unique<engine::Fleet>(
      FleetSettings(terms), clock_, std::move(store),
      [&owners = *core_.owners](DomainId domain) {
        return std::make_unique<pg::PgDomainStore>(owners, domain);
      },
      *core_.owner_catalog, hub_, *core_.inbox, engine_metrics_);
  api::ApiOptions options;
  options.work_threads = config_.api_threads;
  options.session_term = terms.session;
  options.version = PENSTOCK_VERSION;
  core_.api = std::make_unique<api::Api>(
      options,
      api::ApiLinks{*core_.fleet, hub_, *core_.catalog, logs_, api_metrics_, clock_, nullptr,
                    [&requests = *core_.requests](bool cut_off) { requests.Refuse(cut_off); }});
  Retention::Options retention;
  retention.keep = config_.retention;
  core_.retention = std::make_unique<Retention>(
      retention, *core_.maintenance,
      [&catalog = *core_.catalog](RunId run) -> absl::StatusOr<bool> {
        const absl::Status found = catalog.GetRun(run).status();
        if (absl::IsNotFound(found)) return false;
        if (!found.ok()) return found;
        return true;
      },
      logs_);
  core_.metrics = std::make_unique<DomainMetrics>(&registry_, *core_.fleet, hub_);
  visible_ = &core_;
  return absl::OkStatus();
}

absl::Status Server::StartRpc() {
  rpc::ServerOptions options;
  options.addresses = {config_.listen};
  options.max_message_bytes = api::kMaxMessageBytes;
  core_.api->Start();
  PENSTOCK_ASSIGN_OR_RETURN(rpc_, rpc::Server::Start(options, core_.api->services()));
  return absl::OkStatus();
}

void Server::StopRpc(absl::Duration patience) {
  if (rpc_ == nullptr) return;
  core_.api->StopWaiting();
  rpc_->Shutdown(patience);
}

// Stopped in reverse order: readiness, domains, calls and streams, executors, connections.
void Server::AddSteps() {
  lifecycle_.Add(
      {"http", [this] { return StartHttp(); }, [this](absl::Duration) { http_->Stop(); }});
  lifecycle_.Add({"database", [this] { return OpenDatabase(); }, nullptr});
  lifecycle_.Add({"executors", nullptr, [this](absl::Duration) { core_.api->Stop(); }});
  lifecycle_.Add(
      {"rpc", [this] { return StartRpc(); }, [this](absl::Duration) { StopRpc(kCallsPatience); }});
  lifecycle_.Add({"fleet", [this] { return core_.fleet->Start(); },
                  [this](absl::Duration) { core_.fleet->Stop(kHandOverPatience); },
                  absl::Seconds(10)});
  lifecycle_.Add({"retention",
                  [this] {
                    core_.retention->Start();
                    return absl::OkStatus();
                  },
                  [this](absl::Duration) { core_.retention->Stop(); }, absl::Seconds(65)});
  lifecycle_.Add({"readiness",
                  [this] {
                    rpc_->SetServing(true);
                    serving_ = true;
                    return absl::OkStatus();
                  },
                  [this](absl::Duration) {
                    serving_ = false;
                    rpc_->SetServing(false);
                  }});
}

int Server::Run() {
  const service::SignalThread signals([this](int signal) {
    obs::Info("asked to end", {{"signal", signal}});
    ending_.Set();
  });
  AddSteps();
  const absl::Status started = lifecycle_.Start();
  if (!started.ok()) {
    visible_ = nullptr;
    obs::Error("cannot start", {{"reason", Message(started)}});
    obs::FlushLog();
    return absl::IsCancelled(started) ? 0 : 1;
  }
  obs::Info(
      "scheduler started",
      {{"listen", config_.listen}, {"http", http_->address()}, {"scheduler", core_.fleet->self()}});
  ending_.Wait();
  lifecycle_.Stop();
  visible_ = nullptr;
  obs::Info("scheduler ended");
  obs::FlushLog();
  return 0;
}

}  // namespace

int RunScheduler(const Config& config) {
  Server server(config);
  return server.Run();
}

}  // namespace penstock::app
