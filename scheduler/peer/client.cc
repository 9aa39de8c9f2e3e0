#include "scheduler/peer/client.h"

#include <grpcpp/client_context.h>

#include <chrono>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/rpc/status.h"
#include "penstock/v1/peer.grpc.pb.h"
#include "scheduler/peer/metadata.h"

namespace penstock::peer {
namespace {

void SetTimeout(grpc::ClientContext* context, absl::Duration timeout) {
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(timeout));
}

// One call; kept by its callback.
template <typename Request, typename Response>
struct Unary {
  explicit Unary(absl::Duration timeout) { SetTimeout(&context, timeout); }
  grpc::ClientContext context;
  std::unique_ptr<v1::PeerService::Stub> stub;
  Request request;
  Response response;
};

using Async = v1::PeerService::StubInterface::async_interface;
// Chooses the overload that takes a callback.
template <typename Request, typename Response>
using Method = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                               std::function<void(grpc::Status)>);

ForwardAnswer Broken(absl::Status status) {
  return {ForwardAnswer::Kind::kBroken, std::move(status), ""};
}

ForwardAnswer ToAnswer(const grpc::Status& status, v1::ForwardResponse* response) {
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
    return {ForwardAnswer::Kind::kNotOwner, rpc::FromGrpc(status), ""};
  }
  if (!status.ok()) return Broken(rpc::FromGrpc(status));
  return {ForwardAnswer::Kind::kAnswered,
          MakeStatus(static_cast<absl::StatusCode>(response->status_code()),
                     response->status_message()),
          std::move(*response->mutable_response())};
}

}  // namespace

// The calls under way: their contexts, to cancel them, and their number, to wait for it.
class Client::Calls {
 public:
  // False once shut down: the call must not start.
  bool Enter(const void* call, std::function<void()> cancel) {
    MutexLock lock(&mu_);
    if (stopped_) return false;
    active_[call] = std::move(cancel);
    return true;
  }
  bool Enter(grpc::ClientContext* context) {
    return Enter(context, [context] { context->TryCancel(); });
  }
  // Replaces how an entered call is cancelled.
  void CancelWith(const void* call, std::function<void()> cancel) {
    MutexLock lock(&mu_);
    if (stopped_) cancel();
    active_[call] = std::move(cancel);
  }
  void Leave(const void* call) {
    MutexLock lock(&mu_);
    active_.erase(call);
    if (active_.empty()) idle_.SignalAll();
  }
  // Cancelling under the lock: a call that left would be gone.
  void Shutdown() {
    MutexLock lock(&mu_);
    stopped_ = true;
    for (const auto& [call, cancel] : active_) cancel();
    while (!active_.empty()) idle_.Wait(&mu_);
  }

 private:
  Mutex mu_;
  CondVar idle_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<const void*, std::function<void()>> active_ ABSL_GUARDED_BY(mu_);
};

Client::Client(const rpc::ChannelOptions& options)
    : channels_(options), calls_(std::make_shared<Calls>()) {}

Client::~Client() { Shutdown(); }

void Client::Shutdown() { calls_->Shutdown(); }

std::shared_ptr<Client::StreamTicket> Client::BeginStream() {
  std::shared_ptr<StreamTicket> ticket(new StreamTicket(calls_));
  return calls_->Enter(ticket.get(), [] {}) ? ticket : nullptr;
}

void Client::StreamTicket::CancelWith(std::function<void()> cancel) {
  calls_->CancelWith(this, std::move(cancel));
}

Client::StreamTicket::~StreamTicket() { calls_->Leave(this); }

std::shared_ptr<grpc::Channel> Client::ChannelTo(std::string_view address) {
  return channels_.Get(address);
}

template <typename Unary, typename Method>
bool Client::Begin(const std::string& address, const std::shared_ptr<Unary>& call, Method method,
                   std::function<void(const grpc::Status&)> done) {
  if (!calls_->Enter(&call->context)) return false;
  call->stub = v1::PeerService::NewStub(channels_.Get(address));
  (call->stub->async()->*method)(
      &call->context, &call->request, &call->response,
      [call, done = std::move(done), calls = calls_](const grpc::Status& status) {
        done(status);
        calls->Leave(&call->context);
      });
  return true;
}

void Client::Forward(const std::string& address, ForwardCall call,
                     std::function<void(ForwardAnswer)> done) {
  using Request = v1::ForwardRequest;
  using Response = v1::ForwardResponse;
  const auto unary = std::make_shared<Unary<Request, Response>>(call.timeout);
  if (call.repeated) unary->context.AddMetadata(std::string(kRepeatedKey), "1");
  unary->request.set_domain(call.domain.value());
  unary->request.set_method(std::move(call.method));
  unary->request.set_request(std::move(call.request));
  const bool begun = Begin(address, unary, Method<Request, Response>(&Async::Forward),
                           [done, &response = unary->response](const grpc::Status& status) {
                             done(ToAnswer(status, &response));
                           });
  if (!begun) done(Broken(absl::UnavailableError("this scheduler is shutting down")));
}

void Client::Hint(const std::string& address, const std::vector<DomainId>& domains) {
  using Request = v1::HintRequest;
  using Response = v1::HintResponse;
  const auto unary = std::make_shared<Unary<Request, Response>>(absl::Seconds(1));
  for (DomainId domain : domains) unary->request.add_domains(domain.value());
  Begin(address, unary, Method<Request, Response>(&Async::Hint), [](const grpc::Status&) {});
}

void Client::GetLastBeat(const std::string& address, absl::Duration timeout,
                         std::function<void(absl::StatusOr<core::LastBeat>)> done) {
  using Request = v1::GetLastBeatRequest;
  using Response = v1::GetLastBeatResponse;
  const auto unary = std::make_shared<Unary<Request, Response>>(timeout);
  const bool begun =
      Begin(address, unary, Method<Request, Response>(&Async::GetLastBeat),
            [done, &response = unary->response](const grpc::Status& status) {
              if (!status.ok()) return done(rpc::FromGrpc(status));
              done(core::LastBeat{absl::Microseconds(response.age_us()), response.ready()});
            });
  if (!begun) done(absl::UnavailableError("this scheduler is shutting down"));
}

absl::StatusOr<logstore::LogSlice> Client::ReadLog(const std::string& address,
                                                   const LogPlace& place, int64_t max_bytes,
                                                   absl::Duration timeout) {
  grpc::ClientContext context;
  SetTimeout(&context, timeout);
  if (!calls_->Enter(&context)) return absl::UnavailableError("this scheduler is shutting down");
  const auto stub = v1::PeerService::NewStub(channels_.Get(address));
  const auto reader = stub->ReadLog(&context, ToProto(place));
  logstore::LogSlice slice{{}, place.offset, 0, false};
  while (max_bytes > 0) {
    v1::ReadLogResponse response;
    if (!reader->Read(&response)) break;
    slice.ended = response.end();
    if (response.end()) continue;
    max_bytes -= static_cast<int64_t>(response.data().size());
    slice.next_offset = response.offset() + static_cast<int64_t>(response.data().size());
    slice.records.push_back(FromProto(std::move(response)));
  }
  if (max_bytes <= 0) context.TryCancel();
  const grpc::Status status = reader->Finish();
  calls_->Leave(&context);
  if (!status.ok() && max_bytes > 0) return rpc::FromGrpc(status);
  return slice;
}

}  // namespace penstock::peer
