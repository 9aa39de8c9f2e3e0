#include "common/dag/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

bool IsScalar(NodeKind kind) {
  return kind == NodeKind::kString || kind == NodeKind::kBool || kind == NodeKind::kInt ||
         kind == NodeKind::kFloat;
}

}  // namespace

std::string Reader::Path() const { return fmt::format("{}", fmt::join(path_, ".")); }

void Reader::Fail(const Node& at, std::string message, std::string_view suggestion) {
  if (at.kind != NodeKind::kBad) FailAt(at.place(), std::move(message), suggestion);
}

void Reader::FailAt(Place place, std::string message, std::string_view suggestion) {
  problems_.Add(place, Path(), std::move(message), std::string(suggestion));
}

void Reader::FailName(const Node& at, std::string message, std::string_view suggestion) {
  Fail(at, std::move(message), suggestion.empty() ? "" : fmt::format("\"{}\"", suggestion));
}

void Reader::FailType(const Node& node, std::string_view expected) {
  Fail(node, fmt::format("expected {}, found {}", expected, Article(node.kind)));
}

bool Reader::ExpectMap(const Node& node, std::string_view what) {
  if (node.kind != NodeKind::kMap) FailType(node, what);
  return node.kind == NodeKind::kMap;
}

bool Reader::ExpectList(const Node& node, std::string_view what) {
  if (node.kind != NodeKind::kList) FailType(node, what);
  return node.kind == NodeKind::kList;
}

bool Reader::ExpectAtMost(const Node& node, size_t count, size_t max, std::string_view what) {
  if (count > max) Fail(node, fmt::format("{} {}, more than the limit of {}", count, what, max));
  return count <= max;
}

bool Reader::ExpectShort(const Node& node, size_t max_bytes) {
  return ExpectAtMost(node, node.text.size(), max_bytes, "bytes");
}

std::optional<std::string_view> Reader::Text(const Node& node, size_t max_bytes) {
  if (node.kind == NodeKind::kString) {
    return ExpectShort(node, max_bytes) ? std::optional(node.text) : std::nullopt;
  }
  std::string quoted;
  if (IsScalar(node.kind)) quoted = fmt::format("\"{}\" in quotes", ShownText(node.text));
  Fail(node, fmt::format("expected a text, found {}", Article(node.kind)), quoted);
  return std::nullopt;
}

std::optional<std::string_view> Reader::Written(const Node& node, size_t max_bytes) {
  if (IsScalar(node.kind)) {
    return ExpectShort(node, max_bytes) ? std::optional(node.text) : std::nullopt;
  }
  Fail(node, fmt::format("expected a text, found {}", Article(node.kind)),
       node.kind == NodeKind::kNull ? "\"\" for an empty text" : "");
  return std::nullopt;
}

std::optional<std::string_view> Reader::Id(const Node& node, std::string_view what) {
  const auto text = Written(node, limits_.max_id_bytes);
  if (!text || IsId(*text)) return text;
  Fail(node, fmt::format("\"{}\" is not {}: a letter or _, then letters, digits and _ . - "
                         "without \"..\"",
                         ShownText(*text), what));
  return std::nullopt;
}

std::optional<bool> Reader::Bool(const Node& node) {
  if (node.kind == NodeKind::kBool) return ParseBool(node.text);
  FailType(node, "true or false");
  return std::nullopt;
}

std::optional<int32_t> Reader::Int(const Node& node, int32_t min, int32_t max) {
  if (node.kind != NodeKind::kInt) {
    FailType(node, "an integer");
    return std::nullopt;
  }
  const std::optional<int64_t> value = ParseInt(node.text);
  if (value && *value >= min && *value <= max) return static_cast<int32_t>(*value);
  Fail(node, fmt::format("{} is not between {} and {}", ShownText(node.text), min, max));
  return std::nullopt;
}

std::optional<double> Reader::Number(const Node& node, double min, double max) {
  if (node.kind != NodeKind::kInt && node.kind != NodeKind::kFloat) {
    FailType(node, "a number");
    return std::nullopt;
  }
  const auto whole = node.kind == NodeKind::kInt ? ParseInt(node.text) : std::nullopt;
  const double value = whole ? static_cast<double>(*whole) : ParseFloat(node.text);
  if (value >= min && value <= max) return value;
  Fail(node, fmt::format("{} is not between {} and {}", ShownText(node.text), min, max));
  return std::nullopt;
}

std::optional<absl::Duration> Reader::Duration(const Node& node) {
  if (node.kind != NodeKind::kString && node.kind != NodeKind::kInt) {
    FailType(node, "a duration like 90s or 1h30m");
    return std::nullopt;
  }
  const auto value = ParseDuration(node.text);
  if (value && absl::ToInt64Milliseconds(*value) <= limits_.max_duration_ms) return value;
  Fail(node,
       fmt::format("\"{}\" is not a duration: write 90s, 5m, 1h30m or 2d, at most 366 days",
                   ShownText(node.text)),
       node.kind == NodeKind::kInt && ParseDuration(fmt::format("{}s", node.text))
           ? fmt::format("{}s", node.text)
           : "");
  return std::nullopt;
}

std::optional<size_t> Reader::Choice(const Node& node, std::span<const std::string_view> names,
                                     std::string_view what) {
  const auto text = Text(node, limits_.max_text_bytes);
  if (!text) return std::nullopt;
  const auto found = std::find(names.begin(), names.end(), *text);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  FailName(node,
           fmt::format("\"{}\" is not {}: {}", ShownText(*text), what, fmt::join(names, ", ")),
           Suggest(*text, names));
  return std::nullopt;
}

std::optional<absl::btree_map<std::string, std::string>> Reader::Labels(const Node& node) {
  if (!ExpectMap(node) || !ExpectAtMost(node, node.size, limits_.max_labels, "labels")) {
    return std::nullopt;
  }
  absl::btree_map<std::string, std::string> labels;
  tree_.ForEachEntry(node, [&](const Node& key, const Node& value) {
    Scope scope(*this, key.text);
    if (!IsLabelKey(key.text) || key.text.size() > limits_.max_id_bytes) {
      Fail(key, "a label's name is a letter or digit, then letters, digits and _ . - /");
    }
    const auto text = Written(value, limits_.max_id_bytes);
    if (text) labels.emplace(key.text, *text);
  });
  return labels;
}

std::optional<Value> Reader::JsonScalar(const Node& node) {
  switch (node.kind) {
    case NodeKind::kNull:
      return Value();
    case NodeKind::kBool:
      return Value::Bool(ParseBool(node.text));
    case NodeKind::kString:
      return Value::String(std::string(node.text));
    case NodeKind::kInt:
      if (const auto value = ParseInt(node.text)) return Value::Int(*value);
      Fail(node, "the integer does not fit 64 bits");
      return std::nullopt;
    case NodeKind::kFloat: {
      const double value = ParseFloat(node.text);
      if (std::isfinite(value)) return Value::Number(value);
      Fail(node, "the number must be finite");
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<Value> Reader::Json(const Node& node) {
  bool sound = true;
  const auto take = [&](const Node& child, auto put) {
    std::optional<Value> value = Json(child);
    sound = sound && value.has_value();
    if (value) put(*std::move(value));
  };
  if (node.kind == NodeKind::kList) {
    Value::Array list;
    tree_.ForEach(node, [&](const Node& child) {
      take(child, [&](Value value) { list.push_back(std::move(value)); });
    });
    return sound ? std::optional(Value::List(std::move(list))) : std::nullopt;
  }
  if (node.kind == NodeKind::kMap) {
    Value::Object map;
    tree_.ForEachEntry(node, [&](const Node& key, const Node& child) {
      take(child, [&](Value value) { map.emplace(key.text, std::move(value)); });
    });
    return sound ? std::optional(Value::Map(std::move(map))) : std::nullopt;
  }
  return JsonScalar(node);
}

void FailUnknownKey(Reader& reader, const Node& key, std::span<const std::string_view> known,
                    std::span<const std::string_view> later) {
  if (std::find(later.begin(), later.end(), key.text) != later.end()) {
    reader.Fail(key, fmt::format("\"{}\" is not supported yet", key.text));
    return;
  }
  reader.FailName(key, fmt::format("unknown key \"{}\"", ShownText(key.text)),
                  reader.Suggest(key.text, known));
}

}  // namespace penstock::dag
