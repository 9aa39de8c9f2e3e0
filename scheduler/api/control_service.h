#pragma once
// The control API on gRPC: hands each request to its handler on the work executor.
#include <memory>
#include <string_view>

#include "common/rpc/unary.h"
#include "penstock/v1/control.grpc.pb.h"
#include "scheduler/api/budget.h"
#include "scheduler/api/dags.h"
#include "scheduler/api/fleet_handlers.h"
#include "scheduler/api/limits.h"
#include "scheduler/api/log_reading.h"
#include "scheduler/api/observer.h"
#include "scheduler/api/run_watch.h"
#include "scheduler/api/runs.h"
#include "scheduler/api/services.h"
#include "scheduler/api/tasks.h"

namespace penstock::api {

// The handlers by resource. Thread-safe.
struct Handlers {
  DagHandlers& dags;
  RunHandlers& runs;
  TaskHandlers& tasks;
  LimitHandlers& limits;
  FleetHandlers& fleet;
};

class ControlService final : public v1::ControlService::CallbackService {
 public:
  struct Options {
    // Requests without a deadline wait so long for an owner; none waits longer than `most`.
    absl::Duration usual_wait = absl::Seconds(10);
    absl::Duration longest_wait = absl::Seconds(60);
    // What unanswered requests may take together, about; more are refused.
    int64_t max_waiting_bytes = int64_t{128} << 20;
    RunWatchOptions watch;
    LogReadingOptions logs;
  };

  // All outlive the service.
  ControlService(const Services& services, const Handlers& handlers, ApiObserver& observer,
                 const Options& options)
      : s_(services),
        h_(handlers),
        observer_(observer),
        options_(options),
        budget_(options.max_waiting_bytes) {}

#define PENSTOCK_UNARY(Method, Request, Response)                        \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context, \
                                   const v1::Request* request, v1::Response* response) override
  PENSTOCK_UNARY(ApplyDag, ApplyDagRequest, ApplyDagResponse);
  PENSTOCK_UNARY(GetDag, GetDagRequest, Dag);
  PENSTOCK_UNARY(ListDags, ListDagsRequest, ListDagsResponse);
  PENSTOCK_UNARY(SetDagPaused, SetDagPausedRequest, Dag);
  PENSTOCK_UNARY(DeleteDag, DeleteDagRequest, DeleteDagResponse);
  PENSTOCK_UNARY(CreateRun, CreateRunRequest, Run);
  PENSTOCK_UNARY(CreateRuns, CreateRunsRequest, CreateRunsResponse);
  PENSTOCK_UNARY(GetRun, GetRunRequest, Run);
  PENSTOCK_UNARY(ListRuns, ListRunsRequest, ListRunsResponse);
  PENSTOCK_UNARY(CancelRun, CancelRunRequest, Run);
  PENSTOCK_UNARY(RetryRun, RetryRunRequest, RetryRunResponse);
  PENSTOCK_UNARY(ListTaskInstances, ListTaskInstancesRequest, ListTaskInstancesResponse);
  PENSTOCK_UNARY(GetTaskInstance, GetTaskInstanceRequest, TaskInstance);
  PENSTOCK_UNARY(ExplainTaskInstance, ExplainTaskInstanceRequest, Explanation);
  PENSTOCK_UNARY(ListPools, ListPoolsRequest, ListPoolsResponse);
  PENSTOCK_UNARY(SetPool, SetPoolRequest, Pool);
  PENSTOCK_UNARY(DeletePool, DeletePoolRequest, DeletePoolResponse);
  PENSTOCK_UNARY(ListQueues, ListQueuesRequest, ListQueuesResponse);
  PENSTOCK_UNARY(ListWorkers, ListWorkersRequest, ListWorkersResponse);
  PENSTOCK_UNARY(DrainWorker, DrainWorkerRequest, DrainWorkerResponse);
  PENSTOCK_UNARY(ListNamespaces, ListNamespacesRequest, ListNamespacesResponse);
  PENSTOCK_UNARY(CreateNamespace, CreateNamespaceRequest, Namespace);
  PENSTOCK_UNARY(GetCluster, GetClusterRequest, Cluster);
#undef PENSTOCK_UNARY

  grpc::ServerWriteReactor<v1::RunProgress>* WatchRun(grpc::CallbackServerContext* context,
                                                      const v1::WatchRunRequest* request) override;
  grpc::ServerWriteReactor<v1::LogRecord>* ReadLogs(grpc::CallbackServerContext* context,
                                                    const v1::ReadLogsRequest* request) override;

 private:
  template <typename Resource, typename Request, typename Response>
  grpc::ServerUnaryReactor* Serve(std::string_view method, grpc::CallbackServerContext* context,
                                  Resource& resource,
                                  void (Resource::*handler)(const Caller&, const Request&,
                                                            Response*, Done),
                                  const Request* request, Response* response);
  grpc::ServerUnaryReactor* Refuse(std::string_view method, grpc::CallbackServerContext* context);
  Caller ToCaller(grpc::CallbackServerContext* context) const;

  const Services& s_;
  const Handlers h_;
  ApiObserver& observer_;
  const Options options_;
  Budget budget_;
};

}  // namespace penstock::api
