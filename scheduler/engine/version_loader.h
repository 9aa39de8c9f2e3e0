#pragma once
// Compiled DAG versions, shared by all domains of the process.
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/dag/topology.h"
#include "scheduler/core/domain.h"
#include "scheduler/store/catalog.h"

namespace penstock::engine {

// Thread-safe. Load blocks on the database and compiles: never call it in a domain's turn.
class VersionLoader {
 public:
  explicit VersionLoader(store::Catalog& catalog) : catalog_(catalog) {}
  absl::StatusOr<std::shared_ptr<const dag::Topology>> Load(VersionId id);
  // The versions of all live runs of a load.
  absl::StatusOr<core::VersionMap> LoadAll(const core::DomainFacts& facts);

 private:
  store::Catalog& catalog_;  // not owned, outlives this
  Mutex mu_;
  // Weak: a version lives as long as a domain uses it.
  absl::flat_hash_map<VersionId, std::weak_ptr<const dag::Topology>> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::engine
