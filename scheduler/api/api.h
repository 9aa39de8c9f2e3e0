#pragma once
// The whole API of one scheduler process, put together: handlers, services, and what they share.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/service/periodic.h"
#include "scheduler/api/control_service.h"
#include "scheduler/api/inbox_command.h"
#include "scheduler/api/isolation.h"
#include "scheduler/api/method_table.h"
#include "scheduler/api/observer.h"
#include "scheduler/api/worker_service.h"
#include "scheduler/peer/client.h"
#include "scheduler/peer/service.h"

namespace penstock::api {

// The largest message that the API takes: a DAG file and its bundle, with room to spare.
inline constexpr int kMaxMessageBytes = 24 << 20;

struct ApiOptions {
  int work_threads = 16;     // blocking work of requests
  size_t work_queue = 8192;  // requests that wait for a thread; more are refused
  int answer_threads = 4;    // what is left of requests after the owner has answered
  int file_threads = 4;      // log files
  size_t file_queue = 4096;
  int watch_threads = 2;  // run watches
  size_t watch_queue = 50'000;
  absl::Duration session_term = absl::Seconds(15);              // told to workers
  absl::Duration dag_ttl = absl::Seconds(1);                    // see DagCache
  int64_t cached_tasks = 2'000'000;                             // see VersionCache
  std::string version;                                          // of this program
  absl::Duration isolation_interval = absl::Milliseconds(200);  // between looks
  Router::Options router;
  ControlService::Options control;
};

// What the API stands on. All outlive it.
struct ApiLinks {
  engine::Engine& engine;
  engine::SessionHub& hub;
  store::Catalog& catalog;
  logstore::LogStore& logs;
  ApiObserver& observer;
  const Clock& clock;
  DomainViews* views = nullptr;  // null = the engine's own
  // Told, again and again, while this scheduler is cut off from the database and others are not
  // (isolation.h), and when it is no longer. From any thread; must only hand over. May be empty.
  std::function<void(bool)> on_cut_off;
};

// Thread-safe. Start before the server that serves it, Stop after the server's shutdown has begun
// to refuse calls: waiting requests end as UNAVAILABLE then.
class Api {
 public:
  Api(const ApiOptions& options, const ApiLinks& links);
  ~Api();  // Stop()
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void Start();
  // To be registered with one server.
  std::vector<grpc::Service*> services();
  // Ends what waits for owners or peers, and the streams, so that the server's calls can end. May
  // come twice.
  void StopWaiting();
  // Ends the executors, once the server has shut down. May come twice or without Start.
  void Stop();

  // Requests that wait for a thread, for metrics.
  size_t WaitingWork() const { return work_.QueueLength(); }
  size_t WaitingFiles() const { return files_.QueueLength(); }

 private:
  service::Executor work_;
  service::Executor answers_;
  service::Executor files_;
  service::Executor watches_;
  EngineViews engine_views_;
  DelayQueue timers_;
  peer::Client peers_;
  NamespaceCache namespaces_;
  VersionCache versions_;
  DagCache dag_cache_;
  Isolation isolation_;
  service::Periodic look_at_database_;
  Router router_;
  OpenStreams streams_;
  const Services services_;
  Liveness liveness_;
  service::Periodic look_at_fleet_;
  DagHandlers dags_;
  RunHandlers runs_;
  TaskHandlers tasks_;
  LimitHandlers limits_;
  FleetHandlers fleet_;
  MethodTable methods_;
  ControlService control_;
  WorkerService worker_;
  peer::PeerService peer_;
};

}  // namespace penstock::api
