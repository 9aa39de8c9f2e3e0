#include "common/dag/weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace penstock::dag {
namespace {

constexpr size_t kLanes = 4;  // 256 targets per pass
constexpr uint32_t kBatch = 64 * kLanes;
using Mask = std::array<uint64_t, kLanes>;

int32_t Saturate(int64_t value) {
  return static_cast<int32_t>(std::min<int64_t>(value, std::numeric_limits<int32_t>::max()));
}

// Sums of the values of any subset of up to kBatch targets, eight targets per look-up.
class SubsetSums {
 public:
  void Prepare(std::span<const int32_t> values) {
    groups_ = (values.size() + 7) / 8;
    for (size_t g = 0; g < groups_; ++g) {
      for (size_t subset = 1; subset < 256; ++subset) {
        const auto lowest = static_cast<size_t>(std::countr_zero(subset));
        const size_t target = g * 8 + lowest;
        const int64_t value = target < values.size() ? values[target] : 0;
        tables_[g][subset] = tables_[g][subset & (subset - 1)] + value;
      }
    }
  }
  int64_t Sum(const Mask& mask) const {
    int64_t sum = 0;
    for (size_t g = 0; g < groups_; ++g) sum += tables_[g][(mask[g / 8] >> g % 8 * 8) & 0xFF];
    return sum;
  }

 private:
  size_t groups_ = 0;
  std::array<std::array<int64_t, 256>, kBatch / 8> tables_{};
};

// Adds to `sums` what the targets [first, first + kBatch) contribute to the vertices before them.
class BatchPass {
 public:
  BatchPass(const Successors& graph, std::span<const int32_t> own)
      : graph_(graph), own_(own), masks_(own.size()) {}

  void Run(uint32_t first, std::span<int64_t> sums) {
    const auto last = static_cast<uint32_t>(std::min<size_t>(own_.size(), size_t{first} + kBatch));
    const std::span<const int32_t> targets = own_.subspan(first, last - first);
    const bool uniform = std::all_of(targets.begin(), targets.end(),
                                     [&](int32_t value) { return value == targets[0]; });
    if (!uniform) subsets_.Prepare(targets);
    for (uint32_t v = last; v-- > 0;) {
      const Mask mask = Gather(v, last);
      sums[v] += uniform ? Count(mask) * targets[0] : subsets_.Sum(mask);
      masks_[v] = mask;
      if (v >= first) masks_[v][(v - first) / 64] |= uint64_t{1} << (v - first) % 64;
    }
  }

 private:
  // The targets that v reaches. Successors from `last` on reach none: edges ascend.
  Mask Gather(uint32_t v, uint32_t last) const {
    Mask mask{};
    for (uint32_t e = graph_.begin[v]; e < graph_.begin[v + 1]; ++e) {
      if (graph_.to[e] >= last) continue;
      const Mask& other = masks_[graph_.to[e]];
      for (size_t lane = 0; lane < kLanes; ++lane) mask[lane] |= other[lane];
    }
    return mask;
  }
  static int64_t Count(const Mask& mask) {
    int64_t count = 0;
    for (uint64_t bits : mask) count += std::popcount(bits);
    return count;
  }

  const Successors graph_;
  const std::span<const int32_t> own_;
  std::vector<Mask> masks_;
  SubsetSums subsets_;
};

// Longest path from a root, in edges.
std::vector<uint32_t> Depths(const Successors& graph) {
  std::vector<uint32_t> depth(graph.begin.size() - 1, 0);
  for (uint32_t v = 0; v < depth.size(); ++v) {
    for (uint32_t e = graph.begin[v]; e < graph.begin[v + 1]; ++e) {
      depth[graph.to[e]] = std::max(depth[graph.to[e]], depth[v] + 1);
    }
  }
  return depth;
}

// deeper[d] = sum of the values of all vertices deeper than d.
std::vector<int64_t> SumsBelow(const std::vector<uint32_t>& depth, std::span<const int32_t> own) {
  const uint32_t deepest = depth.empty() ? 0 : *std::max_element(depth.begin(), depth.end());
  std::vector<int64_t> deeper(size_t{deepest} + 2, 0);
  for (size_t v = 0; v < own.size(); ++v) deeper[depth[v]] += own[v];
  int64_t sum = 0;
  for (size_t d = deeper.size(); d-- > 0;) {
    const int64_t here = deeper[d];
    deeper[d] = sum;
    sum += here;
  }
  return deeper;
}

}  // namespace

std::vector<int32_t> ExactReachableSums(const Successors& graph, std::span<const int32_t> own) {
  std::vector<int64_t> sums(own.begin(), own.end());
  BatchPass pass(graph, own);
  for (size_t first = 0; first < own.size(); first += kBatch) {
    pass.Run(static_cast<uint32_t>(first), sums);
  }
  std::vector<int32_t> result(own.size());
  std::transform(sums.begin(), sums.end(), result.begin(), Saturate);
  return result;
}

std::vector<int32_t> BoundedReachableSums(const Successors& graph, std::span<const int32_t> own) {
  const std::vector<uint32_t> depth = Depths(graph);
  const std::vector<int64_t> deeper = SumsBelow(depth, own);
  std::vector<int64_t> sums(own.size());
  for (size_t v = own.size(); v-- > 0;) {
    int64_t below = 0;
    for (uint32_t e = graph.begin[v]; e < graph.begin[v + 1]; ++e) {
      below = std::min(below + sums[graph.to[e]], deeper[depth[v]]);
    }
    sums[v] = own[v] + below;
  }
  std::vector<int32_t> result(own.size());
  std::transform(sums.begin(), sums.end(), result.begin(), Saturate);
  return result;
}

std::vector<int32_t> ReachableSums(const Successors& graph, std::span<const int32_t> own) {
  const uint64_t work = own.size() * (own.size() + graph.to.size()) / 128;
  return work <= kExactWeightWork ? ExactReachableSums(graph, own)
                                  : BoundedReachableSums(graph, own);
}

}  // namespace penstock::dag
