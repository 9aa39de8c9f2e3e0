#pragma once
// Pools, queues and workers of a namespace's domain.
#include <memory>
#include <string>

#include "penstock/v1/control.pb.h"
#include "scheduler/api/caller.h"
#include "scheduler/api/services.h"

namespace penstock::api {

// Thread-safe; see services.h.
class LimitHandlers {
 public:
  explicit LimitHandlers(const Services& services) : s_(services) {}

  void ListPools(const Caller& caller, const v1::ListPoolsRequest& request,
                 v1::ListPoolsResponse* response, Done done);
  void SetPool(const Caller& caller, const v1::SetPoolRequest& request, v1::Pool* response,
               Done done);
  void DeletePool(const Caller& caller, const v1::DeletePoolRequest& request,
                  v1::DeletePoolResponse* response, Done done);
  void ListQueues(const Caller& caller, const v1::ListQueuesRequest& request,
                  v1::ListQueuesResponse* response, Done done);
  void ListWorkers(const Caller& caller, const v1::ListWorkersRequest& request,
                   v1::ListWorkersResponse* response, Done done);
  // Tells the sessions of that name in every domain of the fleet.
  void DrainWorker(const Caller& caller, const v1::DrainWorkerRequest& request,
                   v1::DrainWorkerResponse* response, Done done);

 private:
  struct Draining;
  // Runs `look` on the owner of the request's namespace.
  template <typename Request, typename Response>
  void OnOwner(const Caller& caller, const char* method, const Request& request, Response* response,
               std::function<void(const store::NamespaceRecord&, const Done&)> look, Done done,
               std::function<bool()> repeatable = {});
  void AnswerPool(const store::NamespaceRecord& ns, const std::string& name, v1::Pool* response,
                  const Done& done);
  void DrainIn(const Caller& caller, DomainId domain, const v1::DrainWorkerRequest& request,
               v1::DrainWorkerResponse* response, const Done& done);

  const Services& s_;
};

}  // namespace penstock::api
