#include "common/dag/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

namespace penstock::dag {
namespace {

// rank[position] = place of that task in the order of ids.
std::vector<uint32_t> RanksById(const std::vector<TaskSpec>& tasks) {
  std::vector<uint32_t> order(tasks.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return tasks[a].id < tasks[b].id; });
  std::vector<uint32_t> rank(tasks.size());
  for (uint32_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
  return rank;
}

// Takes tasks without open upstream one by one, the smallest rank first. Shorter than `tasks` when
// there are cycles.
std::vector<uint32_t> Peel(const std::vector<TaskSpec>& tasks, const std::vector<uint32_t>& rank) {
  std::vector<std::vector<uint32_t>> downstream(tasks.size());
  std::vector<size_t> open(tasks.size());
  using Entry = std::pair<uint32_t, uint32_t>;  // rank, position
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  for (uint32_t task = 0; task < tasks.size(); ++task) {
    open[task] = tasks[task].needs.size();
    if (open[task] == 0) ready.emplace(rank[task], task);
    for (uint32_t up : tasks[task].needs) downstream[up].push_back(task);
  }
  std::vector<uint32_t> order;
  order.reserve(tasks.size());
  while (!ready.empty()) {
    const uint32_t task = ready.top().second;
    ready.pop();
    order.push_back(task);
    for (uint32_t down : downstream[task]) {
      if (--open[down] == 0) ready.emplace(rank[down], down);
    }
  }
  return order;
}

// Follows unfinished upstream tasks from `start` until a task comes twice or was seen on an earlier
// walk; returns the cycle found, in the order of the walk.
std::vector<uint32_t> Walk(uint32_t start, uint32_t walk, const std::vector<TaskSpec>& tasks,
                           const std::vector<bool>& peeled, std::vector<uint32_t>* seen_on) {
  std::vector<uint32_t> path;
  uint32_t at = start;
  while ((*seen_on)[at] == 0) {
    (*seen_on)[at] = walk;
    path.push_back(at);
    const auto& needs = tasks[at].needs;
    at = *std::find_if(needs.begin(), needs.end(), [&](uint32_t up) { return !peeled[up]; });
  }
  if ((*seen_on)[at] != walk) return {};
  path.erase(path.begin(), std::find(path.begin(), path.end(), at));
  return path;
}

}  // namespace

std::optional<std::vector<uint32_t>> SortTasks(std::vector<TaskSpec>* tasks) {
  std::vector<uint32_t> order = Peel(*tasks, RanksById(*tasks));
  if (order.size() != tasks->size()) return std::nullopt;
  std::vector<uint32_t> position(tasks->size());
  for (uint32_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  std::vector<TaskSpec> sorted;
  sorted.reserve(tasks->size());
  for (uint32_t former : order) {
    TaskSpec& task = sorted.emplace_back(std::move((*tasks)[former]));
    for (uint32_t& up : task.needs) up = position[up];
    std::sort(task.needs.begin(), task.needs.end());
  }
  *tasks = std::move(sorted);
  return order;
}

std::vector<std::vector<uint32_t>> FindCycles(const std::vector<TaskSpec>& tasks) {
  const std::vector<uint32_t> rank = RanksById(tasks);
  std::vector<bool> peeled(tasks.size(), false);
  for (uint32_t task : Peel(tasks, rank)) peeled[task] = true;
  std::vector<uint32_t> by_rank(tasks.size());
  for (uint32_t task = 0; task < tasks.size(); ++task) by_rank[rank[task]] = task;
  std::vector<uint32_t> seen_on(tasks.size(), 0);
  std::vector<std::vector<uint32_t>> cycles;
  uint32_t walk = 0;
  for (uint32_t start : by_rank) {
    if (peeled[start] || seen_on[start] != 0) continue;
    std::vector<uint32_t> cycle = Walk(start, ++walk, tasks, peeled, &seen_on);
    if (cycle.empty()) continue;
    std::reverse(cycle.begin(), cycle.end());
    const auto first = std::min_element(cycle.begin(), cycle.end(),
                                        [&](uint32_t a, uint32_t b) { return rank[a] < rank[b]; });
    std::rotate(cycle.begin(), first, cycle.end());
    cycles.push_back(std::move(cycle));
  }
  std::sort(cycles.begin(), cycles.end(),
            [&](const auto& a, const auto& b) { return rank[a[0]] < rank[b[0]]; });
  return cycles;
}

std::string DescribeCycle(const std::vector<TaskSpec>& tasks, const std::vector<uint32_t>& cycle) {
  constexpr size_t kShown = 8;  // at each end of a long cycle
  std::string text;
  for (size_t i = 0; i < cycle.size(); ++i) {
    if (cycle.size() > 2 * kShown + 1 && i == kShown) {
      const size_t hidden = cycle.size() - 2 * kShown;
      text += fmt::format("({} more) -> ", hidden);
      i += hidden;
    }
    text += tasks[cycle[i]].id + " -> ";
  }
  return text + tasks[cycle[0]].id;
}

}  // namespace penstock::dag
