#pragma once
// Reads typed values out of a YAML tree and reports what does not fit, with the path to it.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "common/dag/limits.h"
#include "common/dag/problems.h"
#include "common/dag/value.h"
#include "common/dag/yaml_tree.h"

namespace penstock::dag {

// Not thread-safe. Every method that returns an optional has reported a problem when it is empty
// (nodes that were refused before are passed over in silence).
class Reader {
 public:
  Reader(const YamlTree& tree, const Limits& limits, Problems* problems)
      : tree_(tree), limits_(limits), problems_(*problems) {}

  const YamlTree& tree() const { return tree_; }
  const Limits& limits() const { return limits_; }

  // While it lives, problems are reported under `name`, which must outlive it.
  class Scope {
   public:
    Scope(Reader& reader, std::string_view name) : reader_(reader) { reader.path_.push_back(name); }
    ~Scope() { reader_.path_.pop_back(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Reader& reader_;
  };
  std::string Path() const;

  void Fail(const Node& at, std::string message, std::string_view suggestion = "");
  void FailAt(Place place, std::string message, std::string_view suggestion = "");
  // The same with the suggestion in quotes.
  void FailName(const Node& at, std::string message, std::string_view suggestion);

  std::string_view Suggest(std::string_view word, std::span<const std::string_view> candidates) {
    return problems_.Suggest(word, candidates);
  }

  // True when it is one; else a problem "expected <what>, found ...".
  bool ExpectMap(const Node& node, std::string_view what = "a map");
  bool ExpectList(const Node& node, std::string_view what = "a list");
  bool ExpectAtMost(const Node& node, size_t count, size_t max, std::string_view what);

  // A string in the sense of YAML: numbers, booleans and null must be quoted to be one.
  std::optional<std::string_view> Text(const Node& node, size_t max_bytes);
  // Any scalar but null, as it is written: 8080, true, 1.0 are texts here.
  std::optional<std::string_view> Written(const Node& node, size_t max_bytes);
  std::optional<std::string_view> Id(const Node& node, std::string_view what);
  std::optional<bool> Bool(const Node& node);
  std::optional<int32_t> Int(const Node& node, int32_t min, int32_t max);
  std::optional<double> Number(const Node& node, double min, double max);
  std::optional<absl::Duration> Duration(const Node& node);
  // One of `names`, by position.
  std::optional<size_t> Choice(const Node& node, std::span<const std::string_view> names,
                               std::string_view what);
  // A map of texts; keys must satisfy IsLabelKey.
  std::optional<absl::btree_map<std::string, std::string>> Labels(const Node& node);
  // Any JSON value.
  std::optional<Value> Json(const Node& node);

 private:
  std::optional<Value> JsonScalar(const Node& node);
  bool ExpectShort(const Node& node, size_t max_bytes);
  void FailType(const Node& node, std::string_view expected);

  const YamlTree& tree_;
  const Limits& limits_;
  Problems& problems_;
  std::vector<std::string_view> path_;
};

// What people and editors are told about a key.
struct KeyDoc {
  std::string_view name;
  std::string_view type;      // "text", "id or list of ids" ...
  std::string_view fallback;  // the default as it would be written; "" = none
  std::string_view about;     // one or two sentences
  std::string_view schema;    // JSON Schema of the value
};

// A key of the DAG file: its documentation and how it is read into a T.
template <typename T>
struct Key {
  KeyDoc doc;
  void (*read)(Reader& reader, const Node& value, T& out);
  bool in_defaults = false;  // task keys: may also stand under `defaults`
};

// Reports a key that is not in `known`: "is not supported yet" when it is in `later`.
void FailUnknownKey(Reader& reader, const Node& key, std::span<const std::string_view> known,
                    std::span<const std::string_view> later);

// Reads a map key by key, in the file's order. `accept` says which keys may stand here.
template <typename T, typename Accept>
void ReadKeys(Reader& reader, const Node& map, std::span<const Key<T>> keys,
              std::span<const std::string_view> later, Accept accept, T& out) {
  reader.tree().ForEachEntry(map, [&](const Node& name, const Node& value) {
    for (const Key<T>& key : keys) {
      if (key.doc.name != name.text || !accept(key)) continue;
      Reader::Scope scope(reader, key.doc.name);
      key.read(reader, value, out);
      return;
    }
    std::vector<std::string_view> known;
    for (const Key<T>& key : keys) {
      if (accept(key)) known.push_back(key.doc.name);
    }
    FailUnknownKey(reader, name, known, later);
  });
}

template <typename T>
void ReadKeys(Reader& reader, const Node& map, std::span<const Key<T>> keys,
              std::span<const std::string_view> later, T& out) {
  ReadKeys(
      reader, map, keys, later, [](const Key<T>&) { return true; }, out);
}

}  // namespace penstock::dag
