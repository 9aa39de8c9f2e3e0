#pragma once
// A DAG version as a domain uses it: the topology and what the domain derives from it once.
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/ids.h"
#include "common/dag/topology.h"

namespace penstock::core {

// Index of a work class in the admission table of one domain.
using ClassId = uint32_t;

// Immutable after construction. Tasks are named by their index in the topology.
class Version {
 public:
  // `class_of(settings)` gives the work class of tasks with these settings.
  template <typename ClassOf>
  Version(VersionId id, std::shared_ptr<const dag::Topology> topology, ClassOf class_of)
      : id_(id), topology_(std::move(topology)) {
    classes_.reserve(topology_->task_count());
    absl::flat_hash_map<const dag::TaskSettings*, ClassId> known;
    for (uint32_t t = 0; t < topology_->task_count(); ++t) {
      const dag::TaskSettings* settings = topology_->spec(t).settings.get();
      auto [it, added] = known.try_emplace(settings, 0);
      if (added) it->second = class_of(*settings);
      classes_.push_back(it->second);
    }
    Rank();
    FindOutputs();
  }

  VersionId id() const { return id_; }
  const dag::Topology& topology() const { return *topology_; }
  const std::shared_ptr<const dag::Topology>& shared_topology() const { return topology_; }
  ClassId class_of(uint32_t task) const { return classes_[task]; }

  // Position of a task in the order "weight descending, then index", and back.
  uint32_t rank(uint32_t task) const { return rank_[task]; }
  uint32_t task_at(uint32_t rank) const { return by_rank_[rank]; }

  // Upstream tasks whose outputs the task's expressions name; null = none.
  const std::vector<uint32_t>* outputs_of(uint32_t task) const;

  // A noop that needs no worker.
  bool completes_here(uint32_t task) const {
    const dag::TaskSpec& spec = topology_->spec(task);
    return spec.kind == dag::TaskKind::kNoop && !spec.noop_on_worker;
  }

 private:
  void Rank();
  void FindOutputs();

  const VersionId id_;
  const std::shared_ptr<const dag::Topology> topology_;
  std::vector<ClassId> classes_;
  std::vector<uint32_t> rank_;
  std::vector<uint32_t> by_rank_;
  absl::flat_hash_map<uint32_t, std::vector<uint32_t>> outputs_of_;
};

}  // namespace penstock::core
