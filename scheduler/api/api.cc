#include "scheduler/api/api.h"

namespace penstock::api {
namespace {

rpc::ChannelOptions PeerChannels() {
  rpc::ChannelOptions options;
  options.max_message_bytes = kMaxMessageBytes;
  return options;
}

void AddMethods(const Handlers& h, MethodTable* table) {
  table->Add("ApplyDag", &h.dags, &DagHandlers::Apply);
  table->Add("SetDagPaused", &h.dags, &DagHandlers::SetPaused);
  table->Add("DeleteDag", &h.dags, &DagHandlers::Delete);
  table->Add("CreateRuns", &h.runs, &RunHandlers::CreateMany);
  table->Add("GetRun", &h.runs, &RunHandlers::Get);
  table->Add("CancelRun", &h.runs, &RunHandlers::Cancel);
  table->Add("RetryRun", &h.runs, &RunHandlers::Retry);
  table->Add("ListTaskInstances", &h.tasks, &TaskHandlers::List);
  table->Add("GetTaskInstance", &h.tasks, &TaskHandlers::Get);
  table->Add("ExplainTaskInstance", &h.tasks, &TaskHandlers::Explain);
  table->Add("ListPools", &h.limits, &LimitHandlers::ListPools);
  table->Add("SetPool", &h.limits, &LimitHandlers::SetPool);
  table->Add("DeletePool", &h.limits, &LimitHandlers::DeletePool);
  table->Add("ListQueues", &h.limits, &LimitHandlers::ListQueues);
  table->Add("ListWorkers", &h.limits, &LimitHandlers::ListWorkers);
  table->Add("DrainWorker", &h.limits, &LimitHandlers::DrainWorker);
  table->Add("CreateNamespace", &h.fleet, &FleetHandlers::CreateNamespace);
}

// Some beats longer than a scheduler's lease, so that a slow beat is not shown as a death.
constexpr absl::Duration kDeadAfter = absl::Seconds(5);
constexpr absl::Duration kLookInterval = absl::Seconds(1);
// Bounded by the requests that have begun.
constexpr size_t kNeverFull = 10'000'000;

}  // namespace

Api::Api(const ApiOptions& options, const ApiLinks& links)
    : work_({"api", options.work_threads, options.work_queue}),
      answers_({"api-answers", options.answer_threads, kNeverFull}),
      files_({"api-files", options.file_threads, options.file_queue}),
      watches_({"api-watches", options.watch_threads, options.watch_queue}),
      engine_views_(links.engine, answers_),
      timers_(links.clock),
      peers_(PeerChannels()),
      namespaces_(links.catalog),
      versions_(links.catalog, options.cached_tasks),
      dag_cache_(links.catalog, links.clock, options.dag_ttl),
      isolation_(links.engine, peers_, links.clock, links.on_cut_off),
      look_at_database_("api-isolation", options.isolation_interval, [this] { isolation_.Look(); }),
      router_(links.engine, isolation_, peers_, work_, timers_, links.clock, options.router),
      streams_(links.observer),
      services_{links.engine,  links.views == nullptr ? engine_views_ : *links.views,
                links.catalog, peers_,
                links.logs,    links.clock,
                work_,         answers_,
                files_,        watches_,
                timers_,       isolation_,
                router_,       namespaces_,
                versions_,     dag_cache_,
                streams_},
      liveness_(links.clock, kDeadAfter),
      look_at_fleet_("api-fleet", kLookInterval,
                     [this] { liveness_.Observe(services_.engine.View()); }),
      dags_(services_),
      runs_(services_),
      tasks_(services_),
      limits_(services_),
      fleet_(services_, liveness_, options.version),
      methods_(links.clock),
      control_(services_, {dags_, runs_, tasks_, limits_, fleet_}, links.observer, options.control),
      worker_(services_, links.hub, links.observer, options.session_term),
      peer_(links.engine, methods_, links.logs, work_, files_) {
  AddMethods({dags_, runs_, tasks_, limits_, fleet_}, &methods_);
}

Api::~Api() { Stop(); }

void Api::Start() {
  timers_.Start("api-timers");
  liveness_.Observe(services_.engine.View());
  look_at_fleet_.Start();
  look_at_database_.Start();
}

std::vector<grpc::Service*> Api::services() { return {&control_, &worker_, &peer_}; }

void Api::StopWaiting() {
  streams_.CloseAll();
  look_at_database_.Stop();
  timers_.Stop();
  peers_.Shutdown();
}

void Api::Stop() {
  look_at_fleet_.Stop();
  StopWaiting();
  work_.Shutdown(service::Executor::Pending::kDrop);
  answers_.Shutdown(service::Executor::Pending::kDrop);
  files_.Shutdown(service::Executor::Pending::kDrop);
  watches_.Shutdown(service::Executor::Pending::kDrop);
}

}  // namespace penstock::api
