#include "scheduler/peer/service.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "common/base/status.h"
#include "common/rpc/stream.h"
#include "common/rpc/unary.h"
#include "scheduler/peer/convert.h"
#include "scheduler/peer/log_sender.h"
#include "scheduler/peer/metadata.h"

namespace penstock::peer {
namespace {

bool HasKey(const grpc::CallbackServerContext& context, std::string_view key) {
  return context.client_metadata().count(grpc::string_ref(key.data(), key.size())) > 0;
}

PassedRequest ToPassed(const grpc::CallbackServerContext& context,
                       const v1::ForwardRequest& request) {
  const absl::Duration left =
      absl::FromChrono(context.deadline()) - absl::FromChrono(std::chrono::system_clock::now());
  return {DomainId(request.domain()), request.method(), request.request(),
          HasKey(context, kRepeatedKey), std::clamp(left, absl::ZeroDuration(), absl::Hours(1))};
}

void Answer(const rpc::UnaryCall& call, PassedAnswer answer, v1::ForwardResponse* response) {
  if (answer.not_owner) {
    return call.Finish(
        MakeStatus(absl::StatusCode::kFailedPrecondition, "this scheduler is not the owner"));
  }
  // As if the connection had broken.
  if (answer.in_doubt) return call.Finish(answer.status);
  response->set_status_code(static_cast<int>(answer.status.code()));
  response->set_status_message(std::string(Message(answer.status)));
  response->set_response(std::move(answer.response));
  call.Finish(absl::OkStatus());
}

}  // namespace

grpc::ServerUnaryReactor* PeerService::Forward(grpc::CallbackServerContext* context,
                                               const v1::ForwardRequest* request,
                                               v1::ForwardResponse* response) {
  return rpc::RunUnaryLater(
      context, work_, [this, context, request, response](const rpc::UnaryCall& call) {
        runner_.Run(ToPassed(*context, *request), [call, response](PassedAnswer answer) {
          Answer(call, std::move(answer), response);
        });
      });
}

grpc::ServerUnaryReactor* PeerService::Hint(grpc::CallbackServerContext* context,
                                            const v1::HintRequest* request, v1::HintResponse*) {
  for (int32_t domain : request->domains()) engine_.InboxHint(DomainId(domain));
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* PeerService::GetLastBeat(grpc::CallbackServerContext* context,
                                                   const v1::GetLastBeatRequest*,
                                                   v1::GetLastBeatResponse* response) {
  response->set_age_us(absl::ToInt64Microseconds(engine_.SinceBeat()));
  response->set_ready(engine_.Ready());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<v1::ReadLogResponse>* PeerService::ReadLog(
    grpc::CallbackServerContext* context, const v1::ReadLogRequest* request) {
  return rpc::AcceptWriter<v1::ReadLogResponse>(
      context, {},
      [this, request](const std::shared_ptr<rpc::Stream<v1::ReadLogResponse>>& stream) {
        const absl::StatusOr<LogPlace> place = FromProto(*request);
        auto sender =
            std::make_shared<LogSender>(logs_, files_, place.value_or(LogPlace{}), stream);
        if (place.ok()) {
          sender->Go();
        } else {
          stream->Close(place.status());
        }
        return sender;
      });
}

}  // namespace penstock::peer
