#pragma once
// What requests need again and again, kept for a while. All thread-safe; misses block on the
// catalog.
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/dag/topology.h"
#include "scheduler/store/catalog.h"

namespace penstock::api {

// Namespaces never change their id or domain once made; unknown names are looked up each time.
class NamespaceCache {
 public:
  explicit NamespaceCache(store::Catalog& catalog) : catalog_(catalog) {}
  // NOT_FOUND with a sentence for the client.
  absl::StatusOr<store::NamespaceRecord> Find(std::string_view name) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  store::Catalog& catalog_;
  Mutex mu_;
  absl::flat_hash_map<std::string, store::NamespaceRecord> known_ ABSL_GUARDED_BY(mu_);
};

// A version as requests need it: immutable.
struct Version {
  store::VersionRecord record;                    // without canonical_json
  std::shared_ptr<const dag::Topology> topology;  // shared with requests that outlive the entry
};

// The versions used last, bounded by their tasks together.
class VersionCache {
 public:
  VersionCache(store::Catalog& catalog, int64_t max_tasks)
      : catalog_(catalog), max_tasks_(max_tasks) {}
  absl::StatusOr<std::shared_ptr<const Version>> Get(VersionId id) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Entry = std::shared_ptr<const Version>;
  using Order = std::list<Entry>;  // used last first
  Entry FindHere(VersionId id) ABSL_LOCKS_EXCLUDED(mu_);
  void Keep(const Entry& entry) ABSL_LOCKS_EXCLUDED(mu_);

  store::Catalog& catalog_;
  const int64_t max_tasks_;
  Mutex mu_;
  int64_t tasks_ ABSL_GUARDED_BY(mu_) = 0;
  Order order_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<VersionId, Order::iterator> index_ ABSL_GUARDED_BY(mu_);
};

// DAGs of domains that this process owns, so that creating a run reads no row. Changes pass through
// the owner, who calls Forget after each; entries of an earlier ownership do not count; and none
// lives longer than `ttl`.
class DagCache {
 public:
  DagCache(store::Catalog& catalog, const Clock& clock, absl::Duration ttl)
      : catalog_(catalog), clock_(clock), ttl_(ttl) {}
  // `epoch` is that of the present ownership. NOT_FOUND with a sentence for the client.
  absl::StatusOr<store::DagRecord> Find(NamespaceId ns, std::string_view name, Epoch epoch)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Forget(NamespaceId ns, std::string_view name) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Key = std::pair<NamespaceId, std::string>;
  struct Entry {
    store::DagRecord dag;
    Epoch epoch;
    SteadyTime until;
  };
  store::Catalog& catalog_;
  const Clock& clock_;
  const absl::Duration ttl_;
  Mutex mu_;
  int64_t changes_ ABSL_GUARDED_BY(mu_) = 0;  // a row read before a change is not kept after it
  absl::flat_hash_map<Key, Entry> known_ ABSL_GUARDED_BY(mu_);
};

// Lookups with sentences for the client.
absl::StatusOr<store::DagRecord> FindDag(store::Catalog& catalog, NamespaceId ns,
                                         std::string_view name);

}  // namespace penstock::api
