#include "common/dag/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/dag/weights.h"

namespace penstock::dag {
namespace {

using ::testing::ElementsAre;

DagSpec Dag(const std::vector<std::vector<uint32_t>>& needs) {
  DagSpec dag;
  dag.dag = "d";
  for (const auto& edges : needs) {
    TaskSpec& task = dag.tasks.emplace_back();
    task.id = "t" + std::to_string(dag.tasks.size() - 1);
    task.needs = edges;
  }
  return dag;
}

DagSpec Diamond() { return Dag({{}, {0}, {0}, {1, 2}}); }

TEST(TopologyTest, KnowsNeighboursLeavesAndRoots) {
  const Topology diamond(Diamond());
  EXPECT_EQ(diamond.task_count(), 4U);
  EXPECT_THAT(diamond.downstream(0), ElementsAre(1, 2));
  EXPECT_THAT(diamond.downstream(3), ElementsAre());
  EXPECT_THAT(diamond.upstream(3), ElementsAre(1, 2));
  EXPECT_THAT(diamond.leaves(), ElementsAre(3));
  EXPECT_THAT(diamond.roots(), ElementsAre(0));
  EXPECT_TRUE(diamond.is_leaf(3));
  EXPECT_FALSE(diamond.is_leaf(1));
  EXPECT_EQ(diamond.FindTask("t2"), 2U);
  EXPECT_FALSE(diamond.FindTask("t4").has_value());
}

TEST(TopologyTest, AnEmptyDagIsSound) {
  const Topology nothing(Dag({}));
  EXPECT_EQ(nothing.task_count(), 0U);
  EXPECT_FALSE(nothing.FindTask("x").has_value());
}

TEST(TopologyTest, CountsSharedDescendantsOnce) {
  DagSpec dag = Diamond();
  for (uint32_t i = 0; i < 4; ++i) dag.tasks[i].priority = static_cast<int32_t>(10 * i + 1);
  dag.tasks[2].settings.Change([](auto& s) { s.weight_rule = WeightRule::kAbsolute; });
  dag.tasks[3].settings.Change([](auto& s) { s.weight_rule = WeightRule::kUpstream; });
  const Topology diamond(std::move(dag));
  EXPECT_EQ(diamond.weight(0), 1 + 11 + 21 + 31);
  EXPECT_EQ(diamond.weight(1), 11 + 31);
  EXPECT_EQ(diamond.weight(2), 21);
  EXPECT_EQ(diamond.weight(3), 31 + 11 + 21 + 1);
}

struct Graph {
  std::vector<uint32_t> begin = {0};
  std::vector<uint32_t> to;
  void AddVertex(const std::vector<uint32_t>& successors) {
    to.insert(to.end(), successors.begin(), successors.end());
    begin.push_back(static_cast<uint32_t>(to.size()));
  }
  Successors view() const { return {begin, to}; }
};

Graph RandomGraph(SplitMix64& random, uint32_t vertices) {
  Graph graph;
  for (uint32_t v = 0; v < vertices; ++v) {
    std::vector<uint32_t> successors;
    for (uint32_t w = v + 1; w < vertices; ++w) {
      if (random.OneIn(1 + vertices / 3)) successors.push_back(w);
    }
    graph.AddVertex(successors);
  }
  return graph;
}

std::vector<int32_t> NaiveSums(const Graph& graph, const std::vector<int32_t>& own) {
  std::vector<int32_t> sums;
  for (uint32_t v = 0; v < own.size(); ++v) {
    std::vector<bool> reached(own.size(), false);
    reached[v] = true;
    int32_t sum = 0;
    for (uint32_t w = v; w < own.size(); ++w) {
      if (!reached[w]) continue;
      sum += own[w];
      for (uint32_t e = graph.begin[w]; e < graph.begin[w + 1]; ++e) reached[graph.to[e]] = true;
    }
    sums.push_back(sum);
  }
  return sums;
}

TEST(WeightsTest, ExactSumsAgreeWithWalkingTheGraph) {
  SplitMix64 random(7);
  for (int round = 0; round < 60; ++round) {
    const auto vertices = static_cast<uint32_t>(1 + random.Below(700));
    const Graph graph = RandomGraph(random, vertices);
    std::vector<int32_t> own(vertices, 1);
    if (round % 2 == 0) {
      for (int32_t& value : own) value = static_cast<int32_t>(random.Below(10'000));
    }
    ASSERT_EQ(ExactReachableSums(graph.view(), own), NaiveSums(graph, own)) << "round " << round;
  }
}

TEST(WeightsTest, EstimatesAreNeverTooSmallAndNeverRiseAlongAnEdge) {
  SplitMix64 random(8);
  for (int round = 0; round < 40; ++round) {
    const auto vertices = static_cast<uint32_t>(1 + random.Below(300));
    const Graph graph = RandomGraph(random, vertices);
    std::vector<int32_t> own(vertices);
    for (int32_t& value : own) value = static_cast<int32_t>(random.Below(100));
    const auto exact = ExactReachableSums(graph.view(), own);
    const auto bound = BoundedReachableSums(graph.view(), own);
    for (uint32_t v = 0; v < vertices; ++v) {
      ASSERT_GE(bound[v], exact[v]);
      for (uint32_t e = graph.begin[v]; e < graph.begin[v + 1]; ++e) {
        ASSERT_GE(bound[v], bound[graph.to[e]] + own[v]);
      }
    }
  }
}

DagSpec Chain(uint32_t tasks) {
  std::vector<std::vector<uint32_t>> needs(tasks);
  for (uint32_t i = 1; i < tasks; ++i) needs[i] = {i - 1};
  return Dag(needs);
}

DagSpec Layers(uint32_t layers, uint32_t width) {
  std::vector<std::vector<uint32_t>> needs(size_t{layers} * width);
  for (uint32_t i = width; i < needs.size(); ++i) {
    needs[i].resize(width);
    std::iota(needs[i].begin(), needs[i].end(), (i / width - 1) * width);
  }
  return Dag(needs);
}

DagSpec Fan(uint32_t tasks) {
  std::vector<std::vector<uint32_t>> needs(tasks, {0});
  needs[0] = {};
  return Dag(needs);
}

TEST(WeightsTest, EstimatesAreExactForChainsFansAndFullLayers) {
  const Topology chain(Chain(75'000));
  EXPECT_EQ(chain.weight(0), 75'000);
  EXPECT_EQ(chain.weight(74'999), 1);
  const Topology fan(Fan(75'000));
  EXPECT_EQ(fan.weight(0), 75'000);
  EXPECT_EQ(fan.weight(7), 1);
  const Topology layers(Layers(3'000, 10));
  EXPECT_EQ(layers.weight(0), 29'991);
  EXPECT_EQ(layers.weight(29'985), 11);
}

}  // namespace
}  // namespace penstock::dag
