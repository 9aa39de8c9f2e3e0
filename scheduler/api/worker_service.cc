#include "scheduler/api/worker_service.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "common/base/status.h"
#include "common/rpc/stream.h"
#include "common/rpc/unary.h"
#include "scheduler/api/bundle_sender.h"
#include "scheduler/api/log_intake.h"
#include "scheduler/api/worker_stream.h"

namespace penstock::api {
namespace {

absl::Status ReadVersion(store::Catalog& catalog, VersionId id, v1::GetVersionResponse* response) {
  auto version = catalog.GetVersion(id);
  if (absl::IsNotFound(version.status())) {
    return MakeStatus(absl::StatusCode::kNotFound,
                      fmt::format("there is no version {}", id.value()));
  }
  if (!version.ok()) return version.status();
  response->set_namespace_(version->namespace_name);
  response->set_dag(version->dag);
  response->set_canonical_json(std::move(version->canonical_json));
  response->set_bundle_hash(version->bundle_hash);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerBidiReactor<v1::WorkerMessage, v1::SchedulerMessage>* WorkerService::Control(
    grpc::CallbackServerContext* context) {
  return rpc::AcceptStream<v1::WorkerMessage, v1::SchedulerMessage>(
      context, WorkerStream::StreamSettings(),
      [this](const std::shared_ptr<WorkerStream::Stream>& stream) {
        const WorkerStream::Links links{s_.engine, hub_, s_.work, session_term_};
        return s_.streams.Enter<v1::WorkerMessage>("Control", stream,
                                                   std::make_shared<WorkerStream>(links, stream));
      });
}

grpc::ServerBidiReactor<v1::LogBatch, v1::LogAcks>* WorkerService::Bulk(
    grpc::CallbackServerContext* context) {
  return rpc::AcceptStream<v1::LogBatch, v1::LogAcks>(
      context, {}, [this](const std::shared_ptr<LogIntake::Stream>& stream) {
        return s_.streams.Enter<v1::LogBatch>("Bulk", stream,
                                              std::make_shared<LogIntake>(s_, stream));
      });
}

grpc::ServerUnaryReactor* WorkerService::GetVersion(grpc::CallbackServerContext* context,
                                                    const v1::GetVersionRequest* request,
                                                    v1::GetVersionResponse* response) {
  return rpc::RunUnary(context, s_.work, [this, request, response] {
    const SteadyTime begin = s_.clock.Steady();
    absl::Status status = ReadVersion(s_.catalog, VersionId(request->version_id()), response);
    observer_.Answered("GetVersion", status.code(), s_.clock.Steady() - begin);
    return status;
  });
}

grpc::ServerWriteReactor<v1::BundleChunk>* WorkerService::GetBundle(
    grpc::CallbackServerContext* context, const v1::GetBundleRequest* request) {
  return rpc::AcceptWriter<v1::BundleChunk>(
      context, {}, [&](const std::shared_ptr<BundleSender::Stream>& stream) {
        auto sender = std::make_shared<BundleSender>(s_, request->hash(), stream);
        sender->Begin();
        return s_.streams.Enter<rpc::NoMessage>("GetBundle", stream, std::move(sender));
      });
}

grpc::ServerUnaryReactor* WorkerService::ReportSessionDeath(
    grpc::CallbackServerContext* context, const v1::ReportSessionDeathRequest* request,
    v1::ReportSessionDeathResponse*) {
  if (request->session_id() > 0) hub_.OnSessionDead(SessionId(request->session_id()));
  observer_.Answered("ReportSessionDeath", absl::StatusCode::kOk, absl::ZeroDuration());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace penstock::api
