#pragma once
// A scheduler for tests: a control API in this process whose answers the test gives. Tests only.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <string>

#include "penstock/v1/control.grpc.pb.h"

namespace penstock::client {

// Each method calls the function of the same name, or answers UNIMPLEMENTED while that is empty.
// The functions run on gRPC's threads; set them before the first call.
class FakeControlService : public v1::ControlService::Service {
 public:
  template <typename Request, typename Response>
  using Fn = std::function<grpc::Status(const Request&, Response*)>;
  template <typename Request, typename Message>
  using StreamFn = std::function<grpc::Status(const Request&, grpc::ServerWriter<Message>*)>;

#define PENSTOCK_FAKE_UNARY(Method, Request, Response)                                      \
  Fn<v1::Request, v1::Response> on_##Method;                                                \
  grpc::Status Method(grpc::ServerContext* context, const v1::Request* request,             \
                      v1::Response* response) override {                                    \
    if (!on_##Method) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "fake");         \
    if (!problems.empty()) context->AddTrailingMetadata("penstock-problems-bin", problems); \
    return on_##Method(*request, response);                                                 \
  }
#define PENSTOCK_FAKE_STREAM(Method, Request, Message)                              \
  StreamFn<v1::Request, v1::Message> on_##Method;                                   \
  grpc::Status Method(grpc::ServerContext*, const v1::Request* request,             \
                      grpc::ServerWriter<v1::Message>* writer) override {           \
    if (!on_##Method) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "fake"); \
    return on_##Method(*request, writer);                                           \
  }

  PENSTOCK_FAKE_UNARY(ApplyDag, ApplyDagRequest, ApplyDagResponse)
  PENSTOCK_FAKE_UNARY(GetDag, GetDagRequest, Dag)
  PENSTOCK_FAKE_UNARY(ListDags, ListDagsRequest, ListDagsResponse)
  PENSTOCK_FAKE_UNARY(SetDagPaused, SetDagPausedRequest, Dag)
  PENSTOCK_FAKE_UNARY(DeleteDag, DeleteDagRequest, DeleteDagResponse)
  PENSTOCK_FAKE_UNARY(CreateRun, CreateRunRequest, Run)
  PENSTOCK_FAKE_UNARY(CreateRuns, CreateRunsRequest, CreateRunsResponse)
  PENSTOCK_FAKE_UNARY(GetRun, GetRunRequest, Run)
  PENSTOCK_FAKE_UNARY(ListRuns, ListRunsRequest, ListRunsResponse)
  PENSTOCK_FAKE_UNARY(CancelRun, CancelRunRequest, Run)
  PENSTOCK_FAKE_UNARY(RetryRun, RetryRunRequest, RetryRunResponse)
  PENSTOCK_FAKE_STREAM(WatchRun, WatchRunRequest, RunProgress)
  PENSTOCK_FAKE_UNARY(ListTaskInstances, ListTaskInstancesRequest, ListTaskInstancesResponse)
  PENSTOCK_FAKE_UNARY(GetTaskInstance, GetTaskInstanceRequest, TaskInstance)
  PENSTOCK_FAKE_UNARY(ExplainTaskInstance, ExplainTaskInstanceRequest, Explanation)
  PENSTOCK_FAKE_STREAM(ReadLogs, ReadLogsRequest, LogRecord)
  PENSTOCK_FAKE_UNARY(ListPools, ListPoolsRequest, ListPoolsResponse)
  PENSTOCK_FAKE_UNARY(SetPool, SetPoolRequest, Pool)
  PENSTOCK_FAKE_UNARY(DeletePool, DeletePoolRequest, DeletePoolResponse)
  PENSTOCK_FAKE_UNARY(ListQueues, ListQueuesRequest, ListQueuesResponse)
  PENSTOCK_FAKE_UNARY(ListWorkers, ListWorkersRequest, ListWorkersResponse)
  PENSTOCK_FAKE_UNARY(DrainWorker, DrainWorkerRequest, DrainWorkerResponse)
  PENSTOCK_FAKE_UNARY(ListNamespaces, ListNamespacesRequest, ListNamespacesResponse)
  PENSTOCK_FAKE_UNARY(CreateNamespace, CreateNamespaceRequest, Namespace)
  PENSTOCK_FAKE_UNARY(GetCluster, GetClusterRequest, Cluster)
#undef PENSTOCK_FAKE_UNARY
#undef PENSTOCK_FAKE_STREAM

  std::string problems;  // a serialised ProblemList to send in the trailer; empty = none
};

// Serves `service` on a loopback port that the system picks, from Start to the end of its life.
class FakeServer {
 public:
  FakeControlService service;

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(&service);
    server_ = builder.BuildAndStart();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;  // last: it uses the service
};

}  // namespace penstock::client
