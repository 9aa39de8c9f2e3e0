#pragma once
// The order of tasks.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/dag/spec.h"

namespace penstock::dag {

// Brings `tasks`, whose `needs` name positions in it, into topological order, ties by id, and
// renames the needs. Returns the former position of each task, or nullopt (and changes nothing)
// when there is a cycle. Self edges count as cycles.
std::optional<std::vector<uint32_t>> SortTasks(std::vector<TaskSpec>* tasks);

// One cycle for every knot of tasks that wait for each other, as positions in the order of the
// data's flow; the smallest id comes first and is not repeated at the end. Sorted by that id.
std::vector<std::vector<uint32_t>> FindCycles(const std::vector<TaskSpec>& tasks);

// "a -> b -> a"; long ones are cut in the middle.
std::string DescribeCycle(const std::vector<TaskSpec>& tasks, const std::vector<uint32_t>& cycle);

}  // namespace penstock::dag
