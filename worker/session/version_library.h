#pragma once
// The versions (and their bundles) that this worker has seen lately, fetched when first needed.
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/mutex.h"
#include "common/service/executor.h"
#include "worker/exec/sealed_bundle.h"
#include "worker/session/version.h"

namespace penstock::worker {

// Where versions and bundles come from. Thread-safe; the calls block, for seconds at most.
class VersionSource {
 public:
  struct Raw {
    std::string namespace_name;
    std::string canonical_json;
    std::string bundle_hash;  // "" = no files
  };
  virtual ~VersionSource() = default;
  // NOT_FOUND is final; UNAVAILABLE and the like may be tried again.
  virtual absl::StatusOr<Raw> GetVersion(VersionId id) = 0;
  // The serialised Bundle.
  virtual absl::StatusOr<std::string> GetBundle(const std::string& hash) = 0;
};

// All that is needed to run tasks of a version.
struct LoadedVersion {
  std::shared_ptr<const Version> version;            // shared with attempts under way
  std::shared_ptr<const exec::SealedBundle> bundle;  // null when the version has no files
};

// Thread-safe.
class VersionLibrary {
 public:
  struct Options {
    // Versions used least recently are forgotten beyond this.
    size_t max_bytes = 256 << 20;
    // How long a version that nobody knows is not asked for again.
    absl::Duration remember_failure = absl::Seconds(5);
  };
  using Callback = std::function<void(absl::StatusOr<LoadedVersion>)>;

  // `source`, `executor` and `clock` are borrowed; loading blocks one of the executor's threads.
  // Stop the executor before this goes.
  VersionLibrary(Options options, VersionSource& source, service::Executor& executor,
                 const Clock& clock);

  // The version if it is here. Cheap.
  std::shared_ptr<const LoadedVersion> Find(VersionId id) ABSL_LOCKS_EXCLUDED(mu_);
  // Calls back exactly once, from a thread of the executor or, when the answer is known already or
  // the executor is full (RESOURCE_EXHAUSTED), before it returns. Loads one version at most once
  // at a time. Errors: NOT_FOUND, INVALID_ARGUMENT, DATA_LOSS are final, all others may pass.
  void Load(VersionId id, Callback callback) ABSL_LOCKS_EXCLUDED(mu_);
  size_t bytes() const ABSL_LOCKS_EXCLUDED(mu_);

  static bool IsFinal(const absl::Status& status);

 private:
  struct Entry {
    std::shared_ptr<const LoadedVersion> loaded;
    size_t bytes = 0;
    std::list<VersionId>::iterator used;
  };
  struct Failure {
    absl::Status status;
    SteadyTime until;
  };

  std::shared_ptr<const LoadedVersion> FindLocked(VersionId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<LoadedVersion> Fetch(VersionId id);
  void Fetched(VersionId id, absl::StatusOr<LoadedVersion> loaded) ABSL_LOCKS_EXCLUDED(mu_);
  void Keep(VersionId id, const LoadedVersion& loaded) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  VersionSource& source_;
  service::Executor& executor_;
  const Clock& clock_;
  mutable Mutex mu_;
  absl::flat_hash_map<VersionId, Entry> entries_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<VersionId, Failure> failures_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<VersionId, std::vector<Callback>> waiting_ ABSL_GUARDED_BY(mu_);
  std::list<VersionId> by_use_ ABSL_GUARDED_BY(mu_);  // the latest first
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace penstock::worker
