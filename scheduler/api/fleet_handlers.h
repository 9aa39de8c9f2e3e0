#pragma once
// Namespaces and the cluster as a whole.
#include <string>

#include "penstock/v1/control.pb.h"
#include "scheduler/api/caller.h"
#include "scheduler/api/liveness.h"
#include "scheduler/api/services.h"

namespace penstock::api {

// Thread-safe; see services.h.
class FleetHandlers {
 public:
  // `version` is this program's.
  FleetHandlers(const Services& services, const Liveness& liveness, std::string version)
      : s_(services), liveness_(liveness), version_(std::move(version)) {}

  void ListNamespaces(const Caller& caller, const v1::ListNamespacesRequest& request,
                      v1::ListNamespacesResponse* response, Done done);
  void CreateNamespace(const Caller& caller, const v1::CreateNamespaceRequest& request,
                       v1::Namespace* response, Done done);
  void GetCluster(const Caller& caller, const v1::GetClusterRequest& request, v1::Cluster* response,
                  Done done);

 private:
  absl::StatusOr<store::NamespaceRecord> Make(const Caller& caller,
                                              const v1::CreateNamespaceRequest& request);
  // Makes a namespace known to the owner of the domain that it was put in.
  void Announce(const Caller& caller, const store::NamespaceRecord& ns,
                const v1::CreateNamespaceRequest& request, v1::Namespace* response,
                const Done& done);

  const Services& s_;
  const Liveness& liveness_;
  const std::string version_;
};

}  // namespace penstock::api
