#include "common/dag/topology.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/check.h"
#include "common/dag/weights.h"

namespace penstock::dag {
namespace {

struct Edges {
  std::vector<uint32_t> begin;
  std::vector<uint32_t> to;
};

Edges DownstreamEdges(const std::vector<TaskSpec>& tasks) {
  Edges edges;
  edges.begin.assign(tasks.size() + 1, 0);
  for (size_t task = 0; task < tasks.size(); ++task) {
    for (uint32_t up : tasks[task].needs) {
      PENSTOCK_CHECK(up < task, "tasks are in topological order");
      ++edges.begin[up + 1];
    }
  }
  std::partial_sum(edges.begin.begin(), edges.begin.end(), edges.begin.begin());
  edges.to.resize(edges.begin.back());
  std::vector<uint32_t> next(edges.begin.begin(), edges.begin.end() - 1);
  for (size_t task = 0; task < tasks.size(); ++task) {
    for (uint32_t up : tasks[task].needs) edges.to[next[up]++] = static_cast<uint32_t>(task);
  }
  return edges;
}

// The graph with all edges turned around and vertex v renamed to n-1-v, which keeps them ascending.
Edges MirroredEdges(const std::vector<TaskSpec>& tasks) {
  Edges edges;
  edges.begin.push_back(0);
  const auto last = static_cast<uint32_t>(tasks.size()) - 1;
  for (size_t task = tasks.size(); task-- > 0;) {
    for (uint32_t up : tasks[task].needs) edges.to.push_back(last - up);
    edges.begin.push_back(static_cast<uint32_t>(edges.to.size()));
  }
  return edges;
}

bool AnyUses(const std::vector<TaskSpec>& tasks, WeightRule rule) {
  return std::any_of(tasks.begin(), tasks.end(),
                     [&](const TaskSpec& task) { return task.settings->weight_rule == rule; });
}

std::vector<int32_t> Weights(const std::vector<TaskSpec>& tasks, const Successors& downstream) {
  std::vector<int32_t> own(tasks.size());
  std::transform(tasks.begin(), tasks.end(), own.begin(),
                 [](const TaskSpec& task) { return task.priority; });
  std::vector<int32_t> down, up;
  if (AnyUses(tasks, WeightRule::kDownstream)) down = ReachableSums(downstream, own);
  if (AnyUses(tasks, WeightRule::kUpstream)) {
    const Edges mirrored = MirroredEdges(tasks);
    const std::vector<int32_t> turned(own.rbegin(), own.rend());
    up = ReachableSums({mirrored.begin, mirrored.to}, turned);
    std::reverse(up.begin(), up.end());
  }
  std::vector<int32_t> weights = own;
  for (size_t task = 0; task < tasks.size(); ++task) {
    const WeightRule rule = tasks[task].settings->weight_rule;
    if (rule == WeightRule::kDownstream) weights[task] = down[task];
    if (rule == WeightRule::kUpstream) weights[task] = up[task];
  }
  return weights;
}

}  // namespace

Topology::Topology(DagSpec dag) : dag_(std::move(dag)) {
  Edges edges = DownstreamEdges(dag_.tasks);
  begin_ = std::move(edges.begin);
  downstream_ = std::move(edges.to);
  for (uint32_t task = 0; task < task_count(); ++task) {
    if (is_leaf(task)) leaves_.push_back(task);
    if (is_root(task)) roots_.push_back(task);
  }
  by_id_.resize(task_count());
  std::iota(by_id_.begin(), by_id_.end(), 0U);
  std::sort(by_id_.begin(), by_id_.end(),
            [this](uint32_t a, uint32_t b) { return spec(a).id < spec(b).id; });
  weight_ = Weights(dag_.tasks, {begin_, downstream_});
}

std::optional<uint32_t> Topology::FindTask(std::string_view id) const {
  const auto found = std::lower_bound(
      by_id_.begin(), by_id_.end(), id,
      [this](uint32_t task, std::string_view wanted) { return spec(task).id < wanted; });
  if (found == by_id_.end() || spec(*found).id != id) return std::nullopt;
  return *found;
}

}  // namespace penstock::dag
