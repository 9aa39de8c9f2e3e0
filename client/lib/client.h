#pragma once
// A client of the control API: an address list, retries, deadlines and errors that say what to do.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/lib/server_stream.h"
#include "common/base/clock.h"
#include "penstock/v1/control.grpc.pb.h"

namespace penstock::client {

struct ClientOptions {
  std::vector<std::string> addresses;  // at least one; any scheduler answers any request
  // How long to go on after the first UNAVAILABLE. 0 = ask each address once.
  absl::Duration retry_for = absl::Seconds(5);
  absl::Duration call_timeout = absl::Seconds(30);  // of one attempt of a unary call
  // A stream that has delivered something is resumed for this long after it broke.
  absl::Duration resume_for = absl::Seconds(30);
  int max_message_bytes = 64 << 20;
  // How a unary call pauses between attempts.
  std::function<void(absl::Duration)> sleep = absl::SleepFor;
  // Told once per call, before the first pause. May be empty.
  std::function<void(const std::string& reason)> on_retry;
};

// The methods are those of proto/penstock/v1/control.proto. A call goes to one address; where none
// answers (UNAVAILABLE) the same request goes to the next, with pauses, for at most `retry_for`.
// Repeating is safe: CreateRun(s) gets an idempotency key where the request has none, the other
// methods end the same way twice. All errors are MarkRemote()d; those about DAG files carry
// ProblemsOf(). Blocks; one thread at a time.
class Client {
 public:
  // `clock` is not owned and outlives the client.
  Client(ClientOptions options, const Clock& clock);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  absl::StatusOr<v1::ApplyDagResponse> ApplyDag(const v1::ApplyDagRequest& request);
  absl::StatusOr<v1::Dag> GetDag(const v1::GetDagRequest& request);
  absl::StatusOr<v1::ListDagsResponse> ListDags(const v1::ListDagsRequest& request);
  absl::StatusOr<v1::Dag> SetDagPaused(const v1::SetDagPausedRequest& request);
  // NOT_FOUND after a lost answer counts as done.
  absl::StatusOr<v1::DeleteDagResponse> DeleteDag(const v1::DeleteDagRequest& request);

  absl::StatusOr<v1::Run> CreateRun(v1::CreateRunRequest request);
  absl::StatusOr<v1::CreateRunsResponse> CreateRuns(v1::CreateRunsRequest request);
  absl::StatusOr<v1::Run> GetRun(const v1::GetRunRequest& request);
  absl::StatusOr<v1::ListRunsResponse> ListRuns(const v1::ListRunsRequest& request);
  absl::StatusOr<v1::Run> CancelRun(const v1::CancelRunRequest& request);
  absl::StatusOr<v1::RetryRunResponse> RetryRun(const v1::RetryRunRequest& request);

  absl::StatusOr<v1::ListTaskInstancesResponse> ListTaskInstances(
      const v1::ListTaskInstancesRequest& request);
  absl::StatusOr<v1::TaskInstance> GetTaskInstance(const v1::GetTaskInstanceRequest& request);
  absl::StatusOr<v1::Explanation> ExplainTaskInstance(
      const v1::ExplainTaskInstanceRequest& request);

  absl::StatusOr<v1::ListPoolsResponse> ListPools(const v1::ListPoolsRequest& request);
  absl::StatusOr<v1::Pool> SetPool(const v1::SetPoolRequest& request);
  absl::StatusOr<v1::DeletePoolResponse> DeletePool(const v1::DeletePoolRequest& request);
  absl::StatusOr<v1::ListQueuesResponse> ListQueues(const v1::ListQueuesRequest& request);
  absl::StatusOr<v1::ListWorkersResponse> ListWorkers(const v1::ListWorkersRequest& request);
  absl::StatusOr<v1::DrainWorkerResponse> DrainWorker(const v1::DrainWorkerRequest& request);
  absl::StatusOr<v1::ListNamespacesResponse> ListNamespaces(
      const v1::ListNamespacesRequest& request);
  absl::StatusOr<v1::Namespace> CreateNamespace(const v1::CreateNamespaceRequest& request);
  absl::StatusOr<v1::Cluster> GetCluster(const v1::GetClusterRequest& request);

  // Progress of a run until it ends. Resumed by itself when a scheduler goes.
  std::unique_ptr<ServerStream<v1::RunProgress>> WatchRun(const v1::WatchRunRequest& request);
  // Logs of an attempt. Resumed at the right byte.
  std::unique_ptr<ServerStream<v1::LogRecord>> ReadLogs(const v1::ReadLogsRequest& request);

 private:
  using Stub = v1::ControlService::Stub;

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, absl::StatusCode done_if_repeated);
  template <typename Request, typename Response>
  absl::Status Attempt(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                    Response*),
                       size_t address, const Request& request, Response* response);
  StreamOptions ForStream();

  const ClientOptions options_;
  const Clock& clock_;
  std::vector<std::shared_ptr<Stub>> stubs_;  // shared with the streams, which may outlive this
  size_t preferred_ = 0;                      // the address that answered last
};

// Random; for requests that may go out twice.
std::string NewIdempotencyKey();

}  // namespace penstock::client
