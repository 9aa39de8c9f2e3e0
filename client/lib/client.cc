#include "client/lib/client.h"

#include <fmt/format.h>

#include <utility>

#include "client/lib/errors.h"
#include "client/lib/retry.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"

namespace penstock::client {
namespace {

constexpr char kProblemsKey[] = "penstock-problems-bin";
constexpr absl::StatusCode kNever = absl::StatusCode::kOk;

std::string JoinAddresses(const std::vector<std::string>& addresses) {
  return fmt::format("{}", fmt::join(addresses, ", "));
}

// What the server said, with the problems of a DAG file where it names any.
absl::Status Answer(const grpc::Status& grpc_status, const grpc::ClientContext& context) {
  absl::Status status = MarkRemote(rpc::FromGrpc(grpc_status));
  if (status.ok()) return status;
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(kProblemsKey);
  v1::ProblemList problems;
  if (found != trailers.end() &&
      problems.ParseFromArray(found->second.data(), static_cast<int>(found->second.size()))) {
    AttachProblems(&status, problems);
  }
  return status;
}

absl::Status GaveUp(const absl::Status& last, const std::vector<std::string>& addresses) {
  if (!absl::IsUnavailable(last)) return last;
  return MarkRemote(MakeStatus(
      absl::StatusCode::kUnavailable,
      fmt::format("no scheduler answers at {}: {}", JoinAddresses(addresses), PlainReason(last))));
}

}  // namespace

Client::Client(ClientOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  PENSTOCK_CHECK(!options_.addresses.empty(), "a client needs an address");
  rpc::ChannelOptions channel;
  channel.max_message_bytes = options_.max_message_bytes;
  for (const std::string& address : options_.addresses) {
    stubs_.push_back(v1::ControlService::NewStub(rpc::MakeChannel(address, channel)));
  }
}

Client::~Client() = default;

template <typename Request, typename Response>
absl::Status Client::Attempt(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                             size_t address, const Request& request, Response* response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(options_.call_timeout));
  response->Clear();
  const grpc::Status status = (stubs_[address].get()->*method)(&context, request, response);
  return Answer(status, context);
}

template <typename Request, typename Response>
absl::StatusOr<Response> Client::Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                                      const Request& request, absl::StatusCode done_if_repeated) {
  RetryPlan plan(stubs_.size(), preferred_, options_.retry_for, static_cast<uint64_t>(RandomId()));
  bool told = false;
  for (;;) {
    Response response;
    const absl::Status status = Attempt(method, plan.address(), request, &response);
    const bool repeated = !plan.untroubled();
    if (status.ok() || (repeated && status.code() == done_if_repeated)) {
      preferred_ = plan.address();
      return response;
    }
    if (!IsRetryable(status)) return status;
    const auto pause = plan.Failed(clock_.Steady(), rpc::RetryAfter(status));
    if (!pause) return GaveUp(status, options_.addresses);
    if (!told && *pause > absl::ZeroDuration()) {
      told = true;
      if (options_.on_retry) options_.on_retry(PlainReason(status));
    }
    options_.sleep(*pause);
  }
}

absl::StatusOr<v1::ApplyDagResponse> Client::ApplyDag(const v1::ApplyDagRequest& request) {
  return Call(&Stub::ApplyDag, request, kNever);
}
absl::StatusOr<v1::Dag> Client::GetDag(const v1::GetDagRequest& request) {
  return Call(&Stub::GetDag, request, kNever);
}
absl::StatusOr<v1::ListDagsResponse> Client::ListDags(const v1::ListDagsRequest& request) {
  return Call(&Stub::ListDags, request, kNever);
}
absl::StatusOr<v1::Dag> Client::SetDagPaused(const v1::SetDagPausedRequest& request) {
  return Call(&Stub::SetDagPaused, request, kNever);
}
absl::StatusOr<v1::DeleteDagResponse> Client::DeleteDag(const v1::DeleteDagRequest& request) {
  return Call(&Stub::DeleteDag, request, absl::StatusCode::kNotFound);
}

absl::StatusOr<v1::Run> Client::CreateRun(v1::CreateRunRequest request) {
  if (request.idempotency_key().empty()) request.set_idempotency_key(NewIdempotencyKey());
  return Call(&Stub::CreateRun, request, kNever);
}
absl::StatusOr<v1::CreateRunsResponse> Client::CreateRuns(v1::CreateRunsRequest request) {
  for (v1::CreateRunRequest& run : *request.mutable_runs()) {
    if (run.idempotency_key().empty()) run.set_idempotency_key(NewIdempotencyKey());
  }
  return Call(&Stub::CreateRuns, request, kNever);
}
absl::StatusOr<v1::Run> Client::GetRun(const v1::GetRunRequest& request) {
  return Call(&Stub::GetRun, request, kNever);
}
absl::StatusOr<v1::ListRunsResponse> Client::ListRuns(const v1::ListRunsRequest& request) {
  return Call(&Stub::ListRuns, request, kNever);
}
absl::StatusOr<v1::Run> Client::CancelRun(const v1::CancelRunRequest& request) {
  return Call(&Stub::CancelRun, request, kNever);
}
absl::StatusOr<v1::RetryRunResponse> Client::RetryRun(const v1::RetryRunRequest& request) {
  return Call(&Stub::RetryRun, request, kNever);
}

absl::StatusOr<v1::ListTaskInstancesResponse> Client::ListTaskInstances(
    const v1::ListTaskInstancesRequest& request) {
  return Call(&Stub::ListTaskInstances, request, kNever);
}
absl::StatusOr<v1::TaskInstance> Client::GetTaskInstance(
    const v1::GetTaskInstanceRequest& request) {
  return Call(&Stub::GetTaskInstance, request, kNever);
}
absl::StatusOr<v1::Explanation> Client::ExplainTaskInstance(
    const v1::ExplainTaskInstanceRequest& request) {
  return Call(&Stub::ExplainTaskInstance, request, kNever);
}

absl::StatusOr<v1::ListPoolsResponse> Client::ListPools(const v1::ListPoolsRequest& request) {
  return Call(&Stub::ListPools, request, kNever);
}
absl::StatusOr<v1::Pool> Client::SetPool(const v1::SetPoolRequest& request) {
  return Call(&Stub::SetPool, request, kNever);
}
absl::StatusOr<v1::DeletePoolResponse> Client::DeletePool(const v1::DeletePoolRequest& request) {
  return Call(&Stub::DeletePool, request, absl::StatusCode::kNotFound);
}
absl::StatusOr<v1::ListQueuesResponse> Client::ListQueues(const v1::ListQueuesRequest& request) {
  return Call(&Stub::ListQueues, request, kNever);
}
absl::StatusOr<v1::ListWorkersResponse> Client::ListWorkers(const v1::ListWorkersRequest& request) {
  return Call(&Stub::ListWorkers, request, kNever);
}
absl::StatusOr<v1::DrainWorkerResponse> Client::DrainWorker(const v1::DrainWorkerRequest& request) {
  return Call(&Stub::DrainWorker, request, kNever);
}
absl::StatusOr<v1::ListNamespacesResponse> Client::ListNamespaces(
    const v1::ListNamespacesRequest& request) {
  return Call(&Stub::ListNamespaces, request, kNever);
}
absl::StatusOr<v1::Namespace> Client::CreateNamespace(const v1::CreateNamespaceRequest& request) {
  return Call(&Stub::CreateNamespace, request, kNever);
}
absl::StatusOr<v1::Cluster> Client::GetCluster(const v1::GetClusterRequest& request) {
  return Call(&Stub::GetCluster, request, kNever);
}

StreamOptions Client::ForStream() {
  return {stubs_, preferred_, options_.retry_for, options_.resume_for, &clock_};
}

std::unique_ptr<ServerStream<v1::RunProgress>> Client::WatchRun(
    const v1::WatchRunRequest& request) {
  auto prepare = [request](Stub& stub, grpc::ClientContext* context, grpc::CompletionQueue* queue) {
    return stub.PrepareAsyncWatchRun(context, request, queue);
  };
  return std::make_unique<ServerStream<v1::RunProgress>>(ForStream(), prepare, nullptr);
}

std::unique_ptr<ServerStream<v1::LogRecord>> Client::ReadLogs(const v1::ReadLogsRequest& request) {
  // Shared by the two functions below: where to go on.
  auto position = std::make_shared<v1::ReadLogsRequest>(request);
  auto prepare = [position](Stub& stub, grpc::ClientContext* context,
                            grpc::CompletionQueue* queue) {
    return stub.PrepareAsyncReadLogs(context, *position, queue);
  };
  auto observe = [position](const v1::LogRecord& record) {
    position->set_offset(record.offset() + static_cast<int64_t>(record.data().size()));
    position->set_tail_bytes(0);
    if (record.attempt() != 0) position->set_attempt(record.attempt());
  };
  return std::make_unique<ServerStream<v1::LogRecord>>(ForStream(), prepare, observe);
}

std::string NewIdempotencyKey() { return fmt::format("{:016x}{:016x}", RandomId(), RandomId()); }

}  // namespace penstock::client
