#include "scheduler/api/control_service.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "common/rpc/status.h"
#include "common/rpc/stream.h"
#include "scheduler/peer/metadata.h"

namespace penstock::api {
namespace {

constexpr absl::Duration kComeAgain = absl::Milliseconds(500);

// What a request takes until it is answered: gRPC's call, the handler's state and an answer; and
// four times its bytes, as they came, parsed, as a command, and as rows on their way.
int64_t WaitingBytes(const google::protobuf::MessageLite& request) {
  constexpr int64_t kCall = 8 << 10;
  return kCall + 4 * static_cast<int64_t>(request.ByteSizeLong());
}

bool IsForwarded(const grpc::CallbackServerContext& context) {
  const grpc::string_ref key(peer::kForwardedKey.data(), peer::kForwardedKey.size());
  return context.client_metadata().count(key) > 0;
}

// Whatever has run out comes back: says when to look.
absl::Status WithHint(absl::Status status) {
  if (absl::IsResourceExhausted(status) && !rpc::RetryAfter(status).has_value()) {
    rpc::SetRetryAfter(&status, kComeAgain);
  }
  return status;
}

}  // namespace

Caller ControlService::ToCaller(grpc::CallbackServerContext* context) const {
  absl::Duration wait = options_.usual_wait;
  if (context->deadline() != std::chrono::system_clock::time_point::max()) {
    const auto left = context->deadline() - std::chrono::system_clock::now();
    wait = std::clamp(absl::FromChrono(left), absl::ZeroDuration(), options_.longest_wait);
  }
  Caller caller;
  caller.deadline = s_.clock.Steady() + wait;
  caller.add_trailer = [context](const std::string& key, const std::string& value) {
    context->AddTrailingMetadata(key, value);
  };
  return caller;
}

template <typename Resource, typename Request, typename Response>
grpc::ServerUnaryReactor* ControlService::Serve(
    std::string_view method, grpc::CallbackServerContext* context, Resource& resource,
    void (Resource::*handler)(const Caller&, const Request&, Response*, Done),
    const Request* request, Response* response) {
  const SteadyTime begin = s_.clock.Steady();
  const std::shared_ptr<void> hold = budget_.TryHold(WaitingBytes(*request));
  if (hold == nullptr) return Refuse(method, context);
  return rpc::RunUnaryLater(context, s_.work, [=, this, &resource](const rpc::UnaryCall& call) {
    (resource.*handler)(ToCaller(context), *request, response,
                        [this, call, method, begin, hold](const absl::Status& status) {
                          observer_.Answered(method, status.code(), s_.clock.Steady() - begin);
                          call.Finish(WithHint(status));
                        });
  });
}

grpc::ServerUnaryReactor* ControlService::Refuse(std::string_view method,
                                                 grpc::CallbackServerContext* context) {
  observer_.Answered(method, absl::StatusCode::kResourceExhausted, absl::ZeroDuration());
  const rpc::UnaryCall call(context);
  call.Finish(WithHint(absl::ResourceExhaustedError(
      "the scheduler has too many requests that wait for an answer: try again")));
  return call.reactor();
}

#define PENSTOCK_SERVE(Method, resource, Handler, Request, Response)                              \
  grpc::ServerUnaryReactor* ControlService::Method(                                               \
      grpc::CallbackServerContext* context, const v1::Request* request, v1::Response* response) { \
    return Serve(#Method, context, h_.resource, &Handler, request, response);                     \
  }
PENSTOCK_SERVE(ApplyDag, dags, DagHandlers::Apply, ApplyDagRequest, ApplyDagResponse)
PENSTOCK_SERVE(GetDag, dags, DagHandlers::Get, GetDagRequest, Dag)
PENSTOCK_SERVE(ListDags, dags, DagHandlers::List, ListDagsRequest, ListDagsResponse)
PENSTOCK_SERVE(SetDagPaused, dags, DagHandlers::SetPaused, SetDagPausedRequest, Dag)
PENSTOCK_SERVE(DeleteDag, dags, DagHandlers::Delete, DeleteDagRequest, DeleteDagResponse)
PENSTOCK_SERVE(CreateRun, runs, RunHandlers::Create, CreateRunRequest, Run)
PENSTOCK_SERVE(CreateRuns, runs, RunHandlers::CreateMany, CreateRunsRequest, CreateRunsResponse)
PENSTOCK_SERVE(GetRun, runs, RunHandlers::Get, GetRunRequest, Run)
PENSTOCK_SERVE(ListRuns, runs, RunHandlers::List, ListRunsRequest, ListRunsResponse)
PENSTOCK_SERVE(CancelRun, runs, RunHandlers::Cancel, CancelRunRequest, Run)
PENSTOCK_SERVE(RetryRun, runs, RunHandlers::Retry, RetryRunRequest, RetryRunResponse)
PENSTOCK_SERVE(ListTaskInstances, tasks, TaskHandlers::List, ListTaskInstancesRequest,
               ListTaskInstancesResponse)
PENSTOCK_SERVE(GetTaskInstance, tasks, TaskHandlers::Get, GetTaskInstanceRequest, TaskInstance)
PENSTOCK_SERVE(ExplainTaskInstance, tasks, TaskHandlers::Explain, ExplainTaskInstanceRequest,
               Explanation)
PENSTOCK_SERVE(ListPools, limits, LimitHandlers::ListPools, ListPoolsRequest, ListPoolsResponse)
PENSTOCK_SERVE(SetPool, limits, LimitHandlers::SetPool, SetPoolRequest, Pool)
PENSTOCK_SERVE(DeletePool, limits, LimitHandlers::DeletePool, DeletePoolRequest, DeletePoolResponse)
PENSTOCK_SERVE(ListQueues, limits, LimitHandlers::ListQueues, ListQueuesRequest, ListQueuesResponse)
PENSTOCK_SERVE(ListWorkers, limits, LimitHandlers::ListWorkers, ListWorkersRequest,
               ListWorkersResponse)
PENSTOCK_SERVE(DrainWorker, limits, LimitHandlers::DrainWorker, DrainWorkerRequest,
               DrainWorkerResponse)
PENSTOCK_SERVE(ListNamespaces, fleet, FleetHandlers::ListNamespaces, ListNamespacesRequest,
               ListNamespacesResponse)
PENSTOCK_SERVE(CreateNamespace, fleet, FleetHandlers::CreateNamespace, CreateNamespaceRequest,
               Namespace)
PENSTOCK_SERVE(GetCluster, fleet, FleetHandlers::GetCluster, GetClusterRequest, Cluster)
#undef PENSTOCK_SERVE

grpc::ServerWriteReactor<v1::RunProgress>* ControlService::WatchRun(
    grpc::CallbackServerContext* context, const v1::WatchRunRequest* request) {
  return rpc::AcceptWriter<v1::RunProgress>(
      context, RunWatch::StreamSettings(),
      [&](const std::shared_ptr<rpc::Stream<v1::RunProgress>>& stream) {
        auto watch =
            std::make_shared<RunWatch>(s_, options_.watch, *request, IsForwarded(*context), stream);
        watch->Begin();
        return s_.streams.Enter<rpc::NoMessage>("WatchRun", stream, std::move(watch));
      });
}

grpc::ServerWriteReactor<v1::LogRecord>* ControlService::ReadLogs(
    grpc::CallbackServerContext* context, const v1::ReadLogsRequest* request) {
  return rpc::AcceptWriter<v1::LogRecord>(
      context, {}, [&](const std::shared_ptr<rpc::Stream<v1::LogRecord>>& stream) {
        auto reading = std::make_shared<LogReading>(s_, options_.logs, *request, stream);
        reading->Begin();
        return s_.streams.Enter<rpc::NoMessage>("ReadLogs", stream, std::move(reading));
      });
}

}  // namespace penstock::api
