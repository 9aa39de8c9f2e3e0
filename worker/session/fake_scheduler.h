#pragma once
// A scheduler in the test's own process: a real gRPC server whose behaviour the test scripts. It
// checks what every worker must keep to (hello first, credits never negative) and records the rest.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/rpc/server.h"
#include "common/rpc/stream.h"
#include "penstock/v1/worker.grpc.pb.h"
#include "worker/core/attempt.h"

namespace penstock::worker {

// Thread-safe.
class FakeScheduler final : public v1::WorkerService::CallbackService {
 public:
  // What the worker has said on all streams so far.
  struct Heard {
    std::vector<v1::WorkerHello> hellos;
    std::vector<v1::DomainHello> domain_hellos;
    std::vector<v1::Started> started;
    std::vector<v1::Result> results;  // those in hellos included
    std::vector<v1::HandBack> hand_backs;
    std::map<int32_t, int> credits;  // by domain: given and not used
    std::vector<v1::LogChunk> logs;
    std::vector<int64_t> deaths;
    int renewals = 0;
    int streams = 0;  // open now
    bool draining = false;
    std::vector<std::string> violations;
  };

  FakeScheduler();
  ~FakeScheduler() override;  // Stop()

  const std::string& address() const { return address_; }

  // ---- Script ----
  // Offered to every stream from now on, and to those that are open.
  void Own(int32_t domain, int64_t epoch) ABSL_LOCKS_EXCLUDED(mu_);
  void Disown(int32_t domain) ABSL_LOCKS_EXCLUDED(mu_);
  void AcknowledgeResults(bool yes) ABSL_LOCKS_EXCLUDED(mu_);
  void ConfirmRenewals(bool yes) ABSL_LOCKS_EXCLUDED(mu_);
  void SetTerm(int64_t term_ms) ABSL_LOCKS_EXCLUDED(mu_);
  void SetIncarnation(int64_t incarnation) ABSL_LOCKS_EXCLUDED(mu_);
  void AddVersion(int64_t id, std::string canonical_json, std::string bundle_hash = "")
      ABSL_LOCKS_EXCLUDED(mu_);
  void AddBundle(std::string hash, std::string bytes) ABSL_LOCKS_EXCLUDED(mu_);
  void StoreLogs(bool yes) ABSL_LOCKS_EXCLUDED(mu_);

  // ---- Acts ----
  // On the latest stream. Assignments spend credits.
  void Send(v1::SchedulerMessage message) ABSL_LOCKS_EXCLUDED(mu_);
  void Assign(int32_t domain, int64_t epoch, const AttemptKey& key, int64_t version)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Ends all control streams; the worker comes back.
  void BreakStreams() ABSL_LOCKS_EXCLUDED(mu_);
  void Stop();

  // Waits until `holds`; false after ten seconds.
  bool Await(const std::function<bool(const Heard&)>& holds) ABSL_LOCKS_EXCLUDED(mu_);
  Heard heard() ABSL_LOCKS_EXCLUDED(mu_);

  // The service.
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
  class ControlHandler;
  class BulkHandler;
  class NullHandler;
  using Out = rpc::Stream<v1::SchedulerMessage>;

  void Take(const std::shared_ptr<Out>& stream, const v1::WorkerMessage& message)
      ABSL_LOCKS_EXCLUDED(mu_);
  v1::SchedulerMessage Answer(const std::shared_ptr<Out>& stream, const v1::WorkerMessage& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Note(const v1::Result& result, v1::SchedulerMessage* answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Gone(const std::shared_ptr<Out>& stream) ABSL_LOCKS_EXCLUDED(mu_);

  Mutex mu_;
  CondVar changed_;
  Heard heard_ ABSL_GUARDED_BY(mu_);
  std::map<int32_t, int64_t> domains_ ABSL_GUARDED_BY(mu_);
  std::map<int32_t, std::shared_ptr<Out>> bound_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Out>> streams_ ABSL_GUARDED_BY(mu_);
  bool acknowledge_ ABSL_GUARDED_BY(mu_) = true;
  bool confirm_ ABSL_GUARDED_BY(mu_) = true;
  bool store_logs_ ABSL_GUARDED_BY(mu_) = true;
  int64_t term_ms_ ABSL_GUARDED_BY(mu_) = 15'000;
  int64_t incarnation_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<int64_t, v1::GetVersionResponse> versions_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> bundles_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<rpc::Server> server_;
  std::string address_;
};

}  // namespace penstock::worker
