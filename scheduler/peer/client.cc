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

void Client::Forward(const std::string& address, ForwardCall call,
                     std::function<void(ForwardAnswer)> done) {
  struct State {
    grpc::ClientContext context;
    std::unique_ptr<v1::PeerService::Stub> stub;
    v1::ForwardRequest request;
    v1::ForwardResponse response;
  };
  auto state = std::make_shared<State>();  // kept by the callback
  SetTimeout(&state->context, call.timeout);
  if (call.repeated) state->context.AddMetadata(std::string(kRepeatedKey), "1");
  state->request.set_domain(call.domain.value());
  state->request.set_method(std::move(call.method));
  state->request.set_request(std::move(call.request));
  if (!calls_->Enter(&state->context)) {
    return done(Broken(absl::UnavailableError("this scheduler is shutting down")));
  }
  state->stub = v1::PeerService::NewStub(channels_.Get(address));
  state->stub->async()->Forward(
      &state->context, &state->request, &state->response,
      [state, done = std::move(done), calls = calls_](const grpc::Status& status) {
        done(ToAnswer(status, &state->response));
        calls->Leave(&state->context);
      });
}

void Client::Hint(const std::string& address, const std::vector<DomainId>& domains) {
  struct State {
    grpc::ClientContext context;
    std::unique_ptr<v1::PeerService::Stub> stub;
    v1::HintRequest request;
    v1::HintResponse response;
  };
  auto state = std::make_shared<State>();  // kept by the callback
  SetTimeout(&state->context, absl::Seconds(1));
  for (DomainId domain : domains) state->request.add_domains(domain.value());
  if (!calls_->Enter(&state->context)) return;
  state->stub = v1::PeerService::NewStub(channels_.Get(address));
  state->stub->async()->Hint(
      &state->context, &state->request, &state->response,
      [state, calls = calls_](const grpc::Status&) { calls->Leave(&state->context); });
}

void Client::GetLastBeat(const std::string& address, absl::Duration timeout,
                         std::function<void(absl::StatusOr<LastBeat>)> done) {
  struct State {
    grpc::ClientContext context;
    std::unique_ptr<v1::PeerService::Stub> stub;
    v1::GetLastBeatRequest request;
    v1::GetLastBeatResponse response;
  };
  auto state = std::make_shared<State>();  // kept by the callback
  SetTimeout(&state->context, timeout);
  if (!calls_->Enter(&state->context)) {
    return done(absl::UnavailableError("this scheduler is shutting down"));
  }
  state->stub = v1::PeerService::NewStub(channels_.Get(address));
  state->stub->async()->GetLastBeat(
      &state->context, &state->request, &state->response,
      [state, done = std::move(done), calls = calls_](const grpc::Status& status) {
        if (status.ok()) {
          done(LastBeat{absl::Microseconds(state->response.age_us()), state->response.ready()});
        } else {
          done(rpc::FromGrpc(status));
        }
        calls->Leave(&state->context);
      });
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
