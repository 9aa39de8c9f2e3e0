#pragma once
// DAGs: apply, look at, pause, delete.
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/base/mutex.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/api/caller.h"
#include "scheduler/api/dag_file.h"
#include "scheduler/api/services.h"

namespace penstock::api {

// Thread-safe; see services.h.
class DagHandlers {
 public:
  explicit DagHandlers(const Services& services) : s_(services) {}

  void Apply(const Caller& caller, const v1::ApplyDagRequest& request,
             v1::ApplyDagResponse* response, Done done);
  void Get(const Caller& caller, const v1::GetDagRequest& request, v1::Dag* response, Done done);
  void List(const Caller& caller, const v1::ListDagsRequest& request,
            v1::ListDagsResponse* response, Done done);
  void SetPaused(const Caller& caller, const v1::SetDagPausedRequest& request, v1::Dag* response,
                 Done done);
  void Delete(const Caller& caller, const v1::DeleteDagRequest& request,
              v1::DeleteDagResponse* response, Done done);

 private:
  using Key = std::pair<NamespaceId, std::string>;  // of a DAG, by name
  using Checked = std::shared_ptr<const CheckedDag>;
  absl::Status DryRun(const store::NamespaceRecord& ns, const CheckedDag& dag,
                      v1::ApplyDagResponse* response);
  void ApplyHere(const store::NamespaceRecord& ns, const std::string& actor,
                 const std::string& bundle, const Checked& dag, v1::ApplyDagResponse* response,
                 const Done& done);
  absl::StatusOr<core::DagRow> StoreVersion(const store::NamespaceRecord& ns,
                                            const std::string& bundle, const CheckedDag& dag,
                                            const store::DagRecord* existing);
  absl::Status GetHere(const v1::GetDagRequest& request, v1::Dag* response);
  absl::Status ListHere(const v1::ListDagsRequest& request, v1::ListDagsResponse* response);
  // Runs a command on a DAG that exists, then reads it again into `response` (may be null).
  void Change(const store::NamespaceRecord& ns, const std::string& name, const std::string& actor,
              const std::function<core::CommandBody(DagId)>& command, v1::Dag* response,
              const Done& done);

  // Two applies of one new DAG at once would make it twice; the second waits.
  bool BeginApply(const Key& key) ABSL_LOCKS_EXCLUDED(mu_);
  void EndApply(const Key& key) ABSL_LOCKS_EXCLUDED(mu_);

  const Services& s_;
  Mutex mu_;
  absl::flat_hash_set<Key> applying_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::api
