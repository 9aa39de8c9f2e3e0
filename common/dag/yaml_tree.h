#pragma once
// A YAML document as a tree of nodes with positions. Strict: one document; no aliases, anchors or
// tags; no duplicate keys; bounded nesting.
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "common/dag/limits.h"
#include "common/dag/problems.h"

namespace penstock::dag {

// kBad: was refused and reported; readers pass over it.
enum class NodeKind : uint8_t { kNull, kBool, kInt, kFloat, kString, kList, kMap, kBad };
// "null", "a boolean", ... as in "expected a list, found a boolean".
std::string_view Article(NodeKind kind);

struct Node {
  std::string_view text;  // of a scalar, decoded; valid while the tree lives
  uint32_t line = 0;      // from 1, in characters
  uint32_t column = 0;
  uint32_t first = 0;  // first child, 0 = none; a map's children are key, value, key, value ...
  uint32_t next = 0;   // next child of the same parent, 0 = none
  uint32_t size = 0;   // elements of a list, entries of a map
  NodeKind kind = NodeKind::kNull;
  Place place() const { return {static_cast<int>(line), static_cast<int>(column)}; }
};

// Owns its nodes and texts; `source` must outlive it. Not thread-safe while it is read.
class YamlTree {
 public:
  // Reads `source`; adds what is wrong to `problems`. false: no use in looking at the tree.
  bool Read(std::string_view source, const Limits& limits, Problems* problems);

  const Node& root() const { return nodes_[kRoot]; }
  const Node& node(uint32_t index) const { return nodes_[index]; }

  // fn(const Node& element) for every element of a list.
  template <typename Fn>
  void ForEach(const Node& list, Fn fn) const {
    for (uint32_t i = list.first; i != 0; i = nodes_[i].next) fn(nodes_[i]);
  }
  // fn(const Node& key, const Node& value) for every entry of a map, in the file's order.
  template <typename Fn>
  void ForEachEntry(const Node& map, Fn fn) const {
    for (uint32_t i = map.first; i != 0; i = nodes_[nodes_[i].next].next) {
      fn(nodes_[i], nodes_[nodes_[i].next]);
    }
  }

  // The place of byte `offset` of a scalar's text: exact where the file writes the text around it
  // literally, else the place of the ${{ before it, else the scalar's own.
  Place PlaceInText(const Node& scalar, size_t offset) const;
  // The place of a byte of the source.
  Place PlaceOfByte(size_t offset) const;

 private:
  friend class TreeBuilder;
  static constexpr uint32_t kRoot = 1;  // 0 means "none"
  void IndexLines();
  // The text of a line (from 1), its end included; "" when there is none.
  std::string_view Line(int line) const;
  std::string_view Keep(std::string_view text);

  std::string_view source_;
  std::vector<uint32_t> line_starts_;  // byte offsets
  std::vector<Node> nodes_;
  std::deque<std::string> blocks_;  // the texts; never reallocated
};

}  // namespace penstock::dag
