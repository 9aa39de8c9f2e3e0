#pragma once
// Sums of priorities over everything that can be reached in a DAG.
#include <cstdint>
#include <span>
#include <vector>

namespace penstock::dag {

// Edges of a DAG whose vertices are numbered in topological order: to[from_begin[v]..from_begin
// [v+1]) are the successors of v, all of them above v.
struct Successors {
  std::span<const uint32_t> begin;  // one more than there are vertices
  std::span<const uint32_t> to;
};

// Up to this many (vertices x (vertices + edges) / 128) sums are exact: some tens of milliseconds.
inline constexpr uint64_t kExactWeightWork = 40'000'000;

// For every vertex its own value plus those of all vertices reachable from it, each counted once;
// at most INT32_MAX. `own` values are >= 0.
//
// DAGs above kExactWeightWork get the smaller of two upper bounds instead: own value + the sums of
// the direct successors (exact for chains, trees and fans), and own value + everything that lies
// deeper than the vertex (exact for fully connected layers), depth being the longest path from a
// root. Either way a vertex weighs at least as much as any of its successors, so the order along
// every path is right.
std::vector<int32_t> ReachableSums(const Successors& graph, std::span<const int32_t> own);

// The two ways, for tests.
std::vector<int32_t> ExactReachableSums(const Successors& graph, std::span<const int32_t> own);
std::vector<int32_t> BoundedReachableSums(const Successors& graph, std::span<const int32_t> own);

}  // namespace penstock::dag
