#include "scheduler/api/caches.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/status.h"
#include "common/base/status_macros.h"

namespace penstock::api {
namespace {

constexpr size_t kMostDags = 100'000;

// Small versions count too, so that their number is bounded.
int64_t Cost(const Version& version) { return version.topology->task_count() + 100; }

}  // namespace

absl::StatusOr<store::NamespaceRecord> NamespaceCache::Find(std::string_view name) {
  {
    MutexLock lock(&mu_);
    const auto it = known_.find(std::string(name));
    if (it != known_.end()) return it->second;
  }
  absl::StatusOr<store::NamespaceRecord> found = catalog_.FindNamespace(name);
  if (absl::IsNotFound(found.status())) {
    return MakeStatus(absl::StatusCode::kNotFound,
                      fmt::format("there is no namespace \"{}\"", name));
  }
  if (!found.ok()) return found.status();
  MutexLock lock(&mu_);
  known_.insert_or_assign(found->name, *found);
  return found;
}

VersionCache::Entry VersionCache::FindHere(VersionId id) {
  MutexLock lock(&mu_);
  const auto it = index_.find(id);
  if (it == index_.end()) return nullptr;
  order_.splice(order_.begin(), order_, it->second);
  return *it->second;
}

absl::StatusOr<VersionCache::Entry> VersionCache::Get(VersionId id) {
  if (Entry known = FindHere(id)) return known;
  PENSTOCK_ASSIGN_OR_RETURN(store::VersionRecord record, catalog_.GetVersion(id));
  PENSTOCK_ASSIGN_OR_RETURN(dag::DagSpec spec, dag::FromCanonicalJson(record.canonical_json));
  record.canonical_json.clear();
  record.canonical_json.shrink_to_fit();
  auto entry = std::make_shared<const Version>(
      Version{std::move(record), std::make_shared<const dag::Topology>(std::move(spec))});
  Keep(entry);
  return entry;
}

void VersionCache::Keep(const Entry& entry) {
  MutexLock lock(&mu_);
  const VersionId id = entry->record.id;
  if (index_.contains(id)) return;
  order_.push_front(entry);
  index_[id] = order_.begin();
  tasks_ += Cost(*entry);
  while (tasks_ > max_tasks_ && order_.size() > 1) {
    tasks_ -= Cost(*order_.back());
    index_.erase(order_.back()->record.id);
    order_.pop_back();
  }
}

absl::StatusOr<store::DagRecord> FindDag(store::Catalog& catalog, NamespaceId ns,
                                         std::string_view name) {
  absl::StatusOr<store::DagRecord> dag = catalog.FindDag(ns, name);
  if (!absl::IsNotFound(dag.status())) return dag;
  return MakeStatus(absl::StatusCode::kNotFound,
                    fmt::format("there is no DAG \"{}\" in this namespace", name));
}

absl::StatusOr<store::DagRecord> DagCache::Find(NamespaceId ns, std::string_view name,
                                                Epoch epoch) {
  const Key key(ns, std::string(name));
  int64_t changes = 0;
  {
    MutexLock lock(&mu_);
    const auto it = known_.find(key);
    if (it != known_.end() && it->second.epoch == epoch && clock_.Steady() < it->second.until) {
      return it->second.dag;
    }
    changes = changes_;
  }
  PENSTOCK_ASSIGN_OR_RETURN(store::DagRecord dag, FindDag(catalog_, ns, name));
  MutexLock lock(&mu_);
  if (changes != changes_) return dag;
  if (known_.size() >= kMostDags) known_.clear();
  known_.insert_or_assign(key, Entry{dag, epoch, clock_.Steady() + ttl_});
  return dag;
}

void DagCache::Forget(NamespaceId ns, std::string_view name) {
  MutexLock lock(&mu_);
  ++changes_;
  known_.erase(Key(ns, std::string(name)));
}

}  // namespace penstock::api
