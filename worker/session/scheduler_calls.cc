#include "worker/session/scheduler_calls.h"

#include <grpcpp/client_context.h>

#include <atomic>
#include <utility>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/status.h"
#include "common/service/event.h"
#include "common/service/executor.h"
#include "penstock/v1/worker.grpc.pb.h"

namespace penstock::worker {

namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kBundleTimeout = absl::Seconds(30);
constexpr size_t kMaxBundleBytes = size_t{1} << 30;

rpc::ChannelOptions WithLargeMessages() {
  rpc::ChannelOptions options;
  options.max_message_bytes = 64 << 20;  // a version's canonical form
  return options;
}

bool AskAnother(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded ||
         code == absl::StatusCode::kResourceExhausted || code == absl::StatusCode::kInternal ||
         code == absl::StatusCode::kUnknown || code == absl::StatusCode::kAborted;
}

// Calls `ask(stub)` for each address until the answer would be the same elsewhere.
template <typename Ask>
absl::Status AskInTurn(const std::vector<std::string>& addresses, rpc::ChannelCache& channels,
                       const Ask& ask) {
  absl::Status last = MakeStatus(absl::StatusCode::kUnavailable, "no scheduler is known");
  for (const std::string& address : addresses) {
    const auto stub = v1::WorkerService::NewStub(channels.Get(address));
    last = ask(*stub);
    if (!AskAnother(last.code())) return last;
  }
  return last;
}

void SetTimeout(grpc::ClientContext* context, absl::Duration timeout) {
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
}

absl::Status ReadBundle(v1::WorkerService::Stub& stub, const v1::GetBundleRequest& request,
                        std::string* bytes) {
  grpc::ClientContext context;
  SetTimeout(&context, kBundleTimeout);
  bytes->clear();
  const auto reader = stub.GetBundle(&context, request);
  v1::BundleChunk chunk;
  while (reader->Read(&chunk)) {
    if (bytes->size() + chunk.data().size() > kMaxBundleBytes) {
      context.TryCancel();
      return MakeStatus(absl::StatusCode::kInvalidArgument, "the bundle is too large");
    }
    *bytes += chunk.data();
  }
  return rpc::FromGrpc(reader->Finish());
}

// Repeats the report until the scheduler has answered or the time is up.
bool ReportTo(const std::string& address, SessionId session, absl::Duration patience) {
  const SteadyTime give_up = RealClock().Steady() + patience;
  const auto stub = v1::WorkerService::NewStub(rpc::MakeChannel(address, {}));
  v1::ReportSessionDeathRequest request;
  request.set_session_id(session.value());
  const service::Event pause;
  for (;;) {
    const absl::Duration left = give_up - RealClock().Steady();
    if (left <= absl::ZeroDuration()) return false;
    grpc::ClientContext context;
    SetTimeout(&context, std::min(left, absl::Seconds(1)));
    v1::ReportSessionDeathResponse response;
    const grpc::Status status = stub->ReportSessionDeath(&context, request, &response);
    if (status.ok() || !AskAnother(rpc::FromGrpc(status).code())) return status.ok();
    pause.WaitFor(absl::Milliseconds(100));
  }
}

}  // namespace

SchedulerCalls::SchedulerCalls(const AddressBook& book)
    : book_(book), channels_(WithLargeMessages()) {}

absl::StatusOr<VersionSource::Raw> SchedulerCalls::GetVersion(VersionId id) {
  v1::GetVersionRequest request;
  request.set_version_id(id.value());
  v1::GetVersionResponse response;
  const absl::Status status =
      AskInTurn(book_.List(), channels_, [&](v1::WorkerService::Stub& stub) {
        grpc::ClientContext context;
        SetTimeout(&context, kCallTimeout);
        return rpc::FromGrpc(stub.GetVersion(&context, request, &response));
      });
  if (!status.ok()) return status;
  return Raw{response.namespace_(), std::move(*response.mutable_canonical_json()),
             response.bundle_hash()};
}

absl::StatusOr<std::string> SchedulerCalls::GetBundle(const std::string& hash) {
  v1::GetBundleRequest request;
  request.set_hash(hash);
  std::string bytes;
  const absl::Status status =
      AskInTurn(book_.List(), channels_,
                [&](v1::WorkerService::Stub& stub) { return ReadBundle(stub, request, &bytes); });
  if (!status.ok()) return status;
  return bytes;
}

int ReportSessionDeath(SessionId session, const std::vector<std::string>& schedulers,
                       absl::Duration patience) {
  if (schedulers.empty()) return 0;
  service::Executor::Options options;
  options.name = "report";
  options.threads = static_cast<int>(std::min<size_t>(schedulers.size(), 16));
  service::Executor executor(options);
  std::atomic<int> heard{0};
  for (const std::string& address : schedulers) {
    executor.TryPost([&heard, &address, session, patience] {
      if (ReportTo(address, session, patience)) ++heard;
    });
  }
  executor.Shutdown(service::Executor::Pending::kRun);
  return heard;
}

}  // namespace penstock::worker
