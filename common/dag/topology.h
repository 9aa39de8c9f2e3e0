#pragma once
// The shape of one DAG version, compiled once and shared by all its runs.
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/dag/spec.h"

namespace penstock::dag {

// Immutable after construction; any thread. Tasks are named by index, which is a topological order:
// upstream(i) holds only numbers below i, downstream(i) only numbers above. Owns the DagSpec.
class Topology {
 public:
  // `dag` must be as ParseDag and FromCanonicalJson make it (checked: edges ascend).
  explicit Topology(DagSpec dag);
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  const DagSpec& dag() const { return dag_; }
  uint32_t task_count() const { return static_cast<uint32_t>(dag_.tasks.size()); }
  const TaskSpec& spec(uint32_t task) const { return dag_.tasks[task]; }
  TriggerRule trigger_rule(uint32_t task) const { return dag_.tasks[task].trigger_rule; }

  // Direct neighbours, ascending. Valid while this lives.
  std::span<const uint32_t> upstream(uint32_t task) const { return dag_.tasks[task].needs; }
  std::span<const uint32_t> downstream(uint32_t task) const {
    return std::span(downstream_).subspan(begin_[task], begin_[task + 1] - begin_[task]);
  }
  bool is_leaf(uint32_t task) const { return begin_[task] == begin_[task + 1]; }
  bool is_root(uint32_t task) const { return dag_.tasks[task].needs.empty(); }
  // Tasks without downstream / without upstream, ascending.
  std::span<const uint32_t> leaves() const { return leaves_; }
  std::span<const uint32_t> roots() const { return roots_; }

  // Effective priority weight, >= 0, after the task's weight rule. Sums over descendants or
  // ancestors count every task once (common/dag/weights.h says when they are estimated).
  int32_t weight(uint32_t task) const { return weight_[task]; }

  std::optional<uint32_t> FindTask(std::string_view id) const;

 private:
  const DagSpec dag_;
  std::vector<uint32_t> begin_;       // task_count() + 1 offsets into downstream_
  std::vector<uint32_t> downstream_;  // one entry per edge
  std::vector<uint32_t> leaves_;
  std::vector<uint32_t> roots_;
  std::vector<uint32_t> by_id_;  // task indices in the order of their ids
  std::vector<int32_t> weight_;
};

}  // namespace penstock::dag
