#pragma once
// DAG runs: create, look at, cancel, retry.
#include <memory>
#include <string>

#include "penstock/v1/control.pb.h"
#include "scheduler/api/budget.h"
#include "scheduler/api/caller.h"
#include "scheduler/api/new_run.h"
#include "scheduler/api/services.h"

namespace penstock::api {

// New runs that wait for their owner's commit; more are refused, so that nobody waits for long: a
// second or a few at the pace that one machine has.
inline constexpr int64_t kMaxWaitingRuns = 20'000;

// Thread-safe; see services.h.
class RunHandlers {
 public:
  explicit RunHandlers(const Services& services) : s_(services), waiting_(kMaxWaitingRuns) {}

  void Create(const Caller& caller, const v1::CreateRunRequest& request, v1::Run* response,
              Done done);
  void CreateMany(const Caller& caller, const v1::CreateRunsRequest& request,
                  v1::CreateRunsResponse* response, Done done);
  void Get(const Caller& caller, const v1::GetRunRequest& request, v1::Run* response, Done done);
  void List(const Caller& caller, const v1::ListRunsRequest& request,
            v1::ListRunsResponse* response, Done done);
  void Cancel(const Caller& caller, const v1::CancelRunRequest& request, v1::Run* response,
              Done done);
  void Retry(const Caller& caller, const v1::RetryRunRequest& request,
             v1::RetryRunResponse* response, Done done);

 private:
  using Batch = std::shared_ptr<v1::CreateRunsRequest>;  // shared by the steps of one request
  struct Creation;
  void CreateAll(const Caller& caller, Batch batch, v1::CreateRunsResponse* response, Done done);
  void CreateHere(const store::NamespaceRecord& ns, Epoch epoch, const v1::CreateRunsRequest& batch,
                  bool repeated, const std::string& actor, v1::CreateRunsResponse* response,
                  const Done& done);
  absl::StatusOr<std::shared_ptr<Creation>> Prepare(const store::NamespaceRecord& ns, Epoch epoch,
                                                    const v1::CreateRunsRequest& batch,
                                                    bool repeated);
  absl::Status Answer(const Creation& creation, const core::Reply& reply,
                      v1::CreateRunsResponse* response);
  absl::StatusOr<v1::Run> ToRun(const Creation& creation, const PreparedRun& prepared,
                                const core::RunRow& row, bool existed);
  absl::Status ListHere(const v1::ListRunsRequest& request, v1::ListRunsResponse* response);
  // The run with what only its owner knows.
  void GetLive(const store::NamespaceRecord& ns, const store::RunRecord& run, v1::Run* response,
               const Done& done);
  void CancelHere(const store::NamespaceRecord& ns, const v1::RunRef& ref, const std::string& actor,
                  v1::Run* response, const Done& done);
  void RetryHere(const store::NamespaceRecord& ns, const v1::RunRef& ref, const std::string& actor,
                 v1::Run* response, const Done& done);
  // All rows of a run that has ended.
  absl::StatusOr<std::shared_ptr<const core::DomainFacts>> LoadEnded(const core::RunRow& run);

  const Services& s_;
  Budget waiting_;  // runs of requests that are not answered
};

}  // namespace penstock::api
