#include "scheduler/engine/version_loader.h"

#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/spec.h"
#include "fmt/format.h"

namespace penstock::engine {

absl::StatusOr<std::shared_ptr<const dag::Topology>> VersionLoader::Load(VersionId id) {
  {
    MutexLock lock(&mu_);
    if (const auto it = known_.find(id); it != known_.end()) {
      if (auto topology = it->second.lock()) return topology;
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(const store::VersionRecord record, catalog_.GetVersion(id));
  auto spec = dag::FromCanonicalJson(record.canonical_json);
  if (!spec.ok()) {
    return Annotate(spec.status(), fmt::format("version {} as stored", id.value()));
  }
  auto topology = std::make_shared<const dag::Topology>(*std::move(spec));
  MutexLock lock(&mu_);
  known_[id] = topology;
  return topology;
}

absl::StatusOr<core::VersionMap> VersionLoader::LoadAll(const core::DomainFacts& facts) {
  core::VersionMap versions;
  for (const core::RunRow& run : facts.runs) {
    if (versions.contains(run.version)) continue;
    PENSTOCK_ASSIGN_OR_RETURN(versions[run.version], Load(run.version));
  }
  return versions;
}

}  // namespace penstock::engine
