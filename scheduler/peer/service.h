#pragma once
// What this scheduler does for the others of the fleet.
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ids.h"
#include "common/logstore/log_store.h"
#include "common/service/executor.h"
#include "penstock/v1/peer.grpc.pb.h"
#include "scheduler/engine/engine.h"

namespace penstock::peer {

// A ControlService request that another scheduler passes on.
struct PassedRequest {
  DomainId domain;
  std::string method;
  std::string request;  // serialised
  bool repeated = false;
  absl::Duration time_left;  // until nobody waits for the answer
};

struct PassedAnswer {
  bool not_owner = false;  // nothing was done: this process does not own the domain
  bool in_doubt = false;   // whether it was done is not known
  absl::Status status;
  std::string response;  // serialised, when OK
};

// Runs passed requests here, never passing them further. Implemented by api/. Thread-safe.
class RequestRunner {
 public:
  virtual ~RequestRunner() = default;
  // Called on a thread that may block. `done` is called at most once, on any thread; dropping it
  // ends the call as UNAVAILABLE.
  virtual void Run(PassedRequest request, std::function<void(PassedAnswer)> done) = 0;
};

class PeerService final : public v1::PeerService::CallbackService {
 public:
  // All outlive the service. `work` runs the requests, `files` reads `logs`,
  // this node's own store.
  PeerService(engine::Engine& engine, RequestRunner& runner, logstore::LogStore& logs,
              service::Executor& work, service::Executor& files)
      : engine_(engine), runner_(runner), logs_(logs), work_(work), files_(files) {}

  grpc::ServerUnaryReactor* Forward(grpc::CallbackServerContext* context,
                                    const v1::ForwardRequest* request,
                                    v1::ForwardResponse* response) override;
  grpc::ServerUnaryReactor* Hint(grpc::CallbackServerContext* context,
                                 const v1::HintRequest* request,
                                 v1::HintResponse* response) override;
  grpc::ServerUnaryReactor* GetLastBeat(grpc::CallbackServerContext* context,
                                        const v1::GetLastBeatRequest* request,
                                        v1::GetLastBeatResponse* response) override;
  grpc::ServerWriteReactor<v1::ReadLogResponse>* ReadLog(
      grpc::CallbackServerContext* context, const v1::ReadLogRequest* request) override;

 private:
  engine::Engine& engine_;
  RequestRunner& runner_;
  logstore::LogStore& logs_;
  service::Executor& work_;
  service::Executor& files_;
};

}  // namespace penstock::peer
