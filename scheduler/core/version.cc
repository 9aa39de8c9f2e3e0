#include "scheduler/core/version.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "common/dag/expr.h"

namespace penstock::core {
namespace {

void CollectOutputs(const dag::Topology& topology, const std::string& text,
                    std::vector<uint32_t>* out) {
  if (!dag::Template::HasExpression(text)) return;
  const auto compiled = dag::Template::Compile(text);
  if (!compiled.ok()) return;  // refused when the version was applied; the worker reports it
  for (const dag::Reference& reference : compiled->References()) {
    if (reference.kind != dag::Reference::Kind::kTaskOutput) continue;
    if (const auto task = topology.FindTask(reference.name)) out->push_back(*task);
  }
}

}  // namespace

void Version::Rank() {
  by_rank_.resize(topology_->task_count());
  std::iota(by_rank_.begin(), by_rank_.end(), 0u);
  std::stable_sort(by_rank_.begin(), by_rank_.end(), [this](uint32_t a, uint32_t b) {
    return topology_->weight(a) > topology_->weight(b);
  });
  rank_.resize(by_rank_.size());
  for (uint32_t r = 0; r < by_rank_.size(); ++r) rank_[by_rank_[r]] = r;
}

void Version::FindOutputs() {
  for (uint32_t t = 0; t < topology_->task_count(); ++t) {
    const dag::TaskSpec& spec = topology_->spec(t);
    std::vector<uint32_t> needed;
    CollectOutputs(*topology_, spec.sh, &needed);
    for (const std::string& argument : spec.exec) CollectOutputs(*topology_, argument, &needed);
    for (const auto& [name, value] : spec.settings->env) CollectOutputs(*topology_, value, &needed);
    if (needed.empty()) continue;
    std::sort(needed.begin(), needed.end());
    needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
    outputs_of_.emplace(t, std::move(needed));
  }
}

const std::vector<uint32_t>* Version::outputs_of(uint32_t task) const {
  const auto it = outputs_of_.find(task);
  return it == outputs_of_.end() ? nullptr : &it->second;
}

}  // namespace penstock::core
