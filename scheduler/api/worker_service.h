#pragma once
// What workers ask of a scheduler.
#include "penstock/v1/worker.grpc.pb.h"
#include "scheduler/api/observer.h"
#include "scheduler/api/services.h"
#include "scheduler/engine/session_hub.h"

namespace penstock::api {

class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  // All outlive the service. `session_term` is told to workers.
  WorkerService(const Services& services, engine::SessionHub& hub, ApiObserver& observer,
                absl::Duration session_term)
      : s_(services), hub_(hub), observer_(observer), session_term_(session_term) {}

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::SchedulerMessage>* Control(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::LogBatch, v1::LogAcks>* Bulk(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetVersion(grpc::CallbackServerContext* context,
                                       const v1::GetVersionRequest* request,
                                       v1::GetVersionResponse* response) override;
  grpc::ServerWriteReactor<v1::BundleChunk>* GetBundle(
      grpc::CallbackServerContext* context, const v1::GetBundleRequest* request) override;
  grpc::ServerUnaryReactor* ReportSessionDeath(grpc::CallbackServerContext* context,
                                               const v1::ReportSessionDeathRequest* request,
                                               v1::ReportSessionDeathResponse* response) override;

 private:
  const Services& s_;
  engine::SessionHub& hub_;
  ApiObserver& observer_;
  const absl::Duration session_term_;
};

}  // namespace penstock::api
