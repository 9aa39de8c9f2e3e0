#include "common/dag/yaml_tree.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

constexpr size_t kBlockBytes = 64 << 10;

Place ToPlace(const yaml_mark_t& mark) {
  return {static_cast<int>(mark.line) + 1, static_cast<int>(mark.column) + 1};
}

std::string_view Text(const yaml_char_t* text, size_t size) {
  return {reinterpret_cast<const char*>(text), size};
}

NodeKind KindOf(const yaml_event_t& event, std::string_view text) {
  if (event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return NodeKind::kString;
  switch (ClassifyPlain(text)) {
    case ScalarKind::kNull:
      return NodeKind::kNull;
    case ScalarKind::kBool:
      return NodeKind::kBool;
    case ScalarKind::kInt:
      return NodeKind::kInt;
    case ScalarKind::kFloat:
      return NodeKind::kFloat;
    case ScalarKind::kString:
      break;
  }
  return NodeKind::kString;
}

// libyaml's parser, released at the end of the scope.
class EventSource {
 public:
  explicit EventSource(std::string_view text) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~EventSource() {
    if (has_event_) yaml_event_delete(&event_);
    if (ready_) yaml_parser_delete(&parser_);
  }
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;

  // nullptr: the text is not YAML; see Error(). The event is valid until the next call.
  const yaml_event_t* Next() {
    if (has_event_) yaml_event_delete(&event_);
    has_event_ = ready_ && yaml_parser_parse(&parser_, &event_) == 1;
    return has_event_ ? &event_ : nullptr;
  }
  Place ErrorPlace() const { return ready_ ? ToPlace(parser_.problem_mark) : Place{}; }
  std::string Error() const {
    if (!ready_ || parser_.problem == nullptr) return "not enough memory to read the file";
    std::string text = fmt::format("not valid YAML: {}", parser_.problem);
    if (parser_.context != nullptr) text += fmt::format(" ({})", parser_.context);
    return text;
  }

 private:
  yaml_parser_t parser_;
  yaml_event_t event_;
  bool ready_ = false;
  bool has_event_ = false;
};

}  // namespace

std::string_view Article(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNull:
      return "nothing (null)";
    case NodeKind::kBool:
      return "a boolean";
    case NodeKind::kInt:
      return "an integer";
    case NodeKind::kFloat:
      return "a number";
    case NodeKind::kString:
      return "a text";
    case NodeKind::kList:
      return "a list";
    case NodeKind::kMap:
      return "a map";
    case NodeKind::kBad:
      break;
  }
  return "something refused";
}

// Turns events into nodes.
class TreeBuilder {
 public:
  TreeBuilder(YamlTree* tree, const Limits& limits, Problems* problems)
      : tree_(*tree), limits_(limits), problems_(*problems) {}

  bool Build(std::string_view source) {
    EventSource events(source);
    while (!done_) {
      const yaml_event_t* const event = events.Next();
      if (event == nullptr) {
        FailSyntax(events);
        return false;
      }
      if (!Handle(*event)) return false;
    }
    if (documents_ > 0) return true;
    problems_.Add({1, 1}, "", "the file is empty");
    return false;
  }

 private:
  struct Open {
    uint32_t index;
    uint32_t last;      // newest child, 0 = none
    uint32_t children;  // keys and values counted apart
  };

  // ${{ }} inside { } or [ ] without quotes is the usual cause of an error in its line.
  void FailSyntax(const EventSource& events) {
    const Place place = events.ErrorPlace();
    const bool expression = tree_.Line(place.line).find("${{") != std::string_view::npos;
    problems_.Add(place, "", events.Error(),
                  expression ? "quotes around the text with ${{ }}" : "");
  }

  // false: stop reading.
  bool Handle(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        return StartDocument(event);
      case YAML_ALIAS_EVENT:
        return AddAlias(event);
      case YAML_SCALAR_EVENT:
        return AddScalar(event);
      case YAML_SEQUENCE_START_EVENT:
        CheckProperties(event, event.data.sequence_start.anchor, event.data.sequence_start.tag);
        return OpenCollection(event, NodeKind::kList);
      case YAML_MAPPING_START_EVENT:
        CheckProperties(event, event.data.mapping_start.anchor, event.data.mapping_start.tag);
        return OpenCollection(event, NodeKind::kMap);
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return Close();
      case YAML_STREAM_END_EVENT:
        done_ = true;
        return true;
      default:
        return true;
    }
  }

  bool StartDocument(const yaml_event_t& event) {
    if (event.data.document_start.tag_directives.start !=
        event.data.document_start.tag_directives.end) {
      problems_.Add(ToPlace(event.start_mark), "", "%TAG directives are not allowed");
    }
    if (++documents_ == 1) return true;
    problems_.Add(ToPlace(event.start_mark), "",
                  "a DAG file holds one document; here starts another");
    return false;
  }

  void CheckProperties(const yaml_event_t& event, const yaml_char_t* anchor,
                       const yaml_char_t* tag) {
    if (anchor != nullptr) {
      problems_.Add(ToPlace(event.start_mark), "", "anchors (&name) are not allowed");
    }
    if (tag != nullptr) {
      problems_.Add(ToPlace(event.start_mark), "", "tags (!name) are not allowed");
    }
  }

  bool AddAlias(const yaml_event_t& event) {
    problems_.Add(ToPlace(event.start_mark), "",
                  "aliases (*name) are not allowed: write the value, or use `defaults`");
    Append(event, NodeKind::kBad);
    return true;
  }

  bool AddScalar(const yaml_event_t& event) {
    const auto& scalar = event.data.scalar;
    CheckProperties(event, scalar.anchor, scalar.tag);
    const std::string_view text = Text(scalar.value, scalar.length);
    const uint32_t index = Append(event, KindOf(event, text));
    tree_.nodes_[index].text = tree_.Keep(text);
    if (text.find('\0') == std::string_view::npos) return true;
    problems_.Add(ToPlace(event.start_mark), "", "NUL is not allowed");
    tree_.nodes_[index].kind = NodeKind::kBad;
    return true;
  }

  bool OpenCollection(const yaml_event_t& event, NodeKind kind) {
    if (open_.size() >= limits_.max_nesting) {
      problems_.Add(ToPlace(event.start_mark), "",
                    fmt::format("nested deeper than {} levels", limits_.max_nesting));
      return false;
    }
    open_.push_back({Append(event, kind), 0, 0});
    return true;
  }

  bool Close() {
    const Open closed = open_.back();
    open_.pop_back();
    Node& node = tree_.nodes_[closed.index];
    node.size = closed.children;
    if (node.kind == NodeKind::kMap) {
      node.size /= 2;
      CheckKeys(closed.index);
    }
    return true;
  }

  // A new node as the newest child of the innermost open collection.
  uint32_t Append(const yaml_event_t& event, NodeKind kind) {
    const auto index = static_cast<uint32_t>(tree_.nodes_.size());
    const Place place = ToPlace(event.start_mark);
    Node& node = tree_.nodes_.emplace_back();
    node.kind = kind;
    node.line = static_cast<uint32_t>(place.line);
    node.column = static_cast<uint32_t>(place.column);
    if (!open_.empty()) Link(index);
    return index;
  }

  void Link(uint32_t index) {
    Open& parent = open_.back();
    if (parent.last == 0) {
      tree_.nodes_[parent.index].first = index;
    } else {
      tree_.nodes_[parent.last].next = index;
    }
    parent.last = index;
    ++parent.children;
  }

  // Reports keys that are not texts and keys that come twice, and takes those entries out.
  void CheckKeys(uint32_t map) {
    absl::flat_hash_map<std::string_view, uint32_t> many;
    const bool hashed = tree_.nodes_[map].size > 8;
    uint32_t before = 0;  // value node of the entry before, 0 = none
    for (uint32_t key = tree_.nodes_[map].first; key != 0;) {
      const uint32_t value = tree_.nodes_[key].next;
      const uint32_t next = tree_.nodes_[value].next;
      const uint32_t twin = hashed ? many.try_emplace(tree_.nodes_[key].text, key).first->second
                                   : FirstWithText(map, key);
      if (KeepsEntry(key, twin)) {
        before = value;
      } else {
        Unlink(map, before, next);
      }
      key = next;
    }
  }

  uint32_t FirstWithText(uint32_t map, uint32_t key) const {
    for (uint32_t i = tree_.nodes_[map].first; i != key;) {
      if (tree_.nodes_[i].text == tree_.nodes_[key].text) return i;
      i = tree_.nodes_[tree_.nodes_[i].next].next;
    }
    return key;
  }

  bool KeepsEntry(uint32_t key, uint32_t twin) {
    const Node& node = tree_.nodes_[key];
    if (node.kind == NodeKind::kBad) return false;
    if (node.kind == NodeKind::kList || node.kind == NodeKind::kMap) {
      problems_.Add(node.place(), "", "a key must be a text");
      return false;
    }
    if (twin == key) return true;
    problems_.Add(node.place(), "",
                  fmt::format("duplicate key \"{}\" (first in line {})", ShownText(node.text),
                              tree_.nodes_[twin].line));
    return false;
  }

  void Unlink(uint32_t map, uint32_t before, uint32_t next) {
    (before == 0 ? tree_.nodes_[map].first : tree_.nodes_[before].next) = next;
    --tree_.nodes_[map].size;
  }

  YamlTree& tree_;
  const Limits& limits_;
  Problems& problems_;
  std::vector<Open> open_;
  int documents_ = 0;
  bool done_ = false;
};

bool YamlTree::Read(std::string_view source, const Limits& limits, Problems* problems) {
  source_ = source;
  nodes_.clear();
  nodes_.resize(kRoot);
  if (source.size() > limits.max_file_bytes) {
    problems->Add({}, "",
                  fmt::format("the file has {} bytes, more than the limit of {}", source.size(),
                              limits.max_file_bytes));
    return false;
  }
  IndexLines();
  if (const auto bad = FindBadByte(source)) {
    problems->Add(PlaceOfByte(bad->offset), "", bad->what);
    return false;
  }
  nodes_.reserve(source.size() / 8 + 16);
  return TreeBuilder(this, limits, problems).Build(source);
}

std::string_view YamlTree::Keep(std::string_view text) {
  if (text.empty()) return {};
  if (blocks_.empty() || blocks_.back().capacity() - blocks_.back().size() < text.size()) {
    blocks_.emplace_back().reserve(std::max(kBlockBytes, text.size()));
  }
  std::string& block = blocks_.back();
  const size_t start = block.size();
  block.append(text);
  return std::string_view(block).substr(start);
}

// Line ends are those of libyaml: LF, CR, CR LF, U+0085, U+2028, U+2029.
void YamlTree::IndexLines() {
  line_starts_.assign(1, 0);
  for (size_t i = 0; i < source_.size(); ++i) {
    const std::string_view rest = source_.substr(i, 3);
    size_t length = 0;
    if (rest[0] == '\n' || (rest[0] == '\r' && !rest.starts_with("\r\n"))) length = 1;
    if (rest[0] == '\xC2' && rest.starts_with("\xC2\x85")) length = 2;
    if (rest[0] == '\xE2' && (rest == "\xE2\x80\xA8" || rest == "\xE2\x80\xA9")) length = 3;
    if (length > 0) line_starts_.push_back(static_cast<uint32_t>(i + length));
  }
}

std::string_view YamlTree::Line(int line) const {
  const auto index = static_cast<size_t>(line) - 1;
  if (line < 1 || index >= line_starts_.size()) return {};
  const size_t end = index + 1 < line_starts_.size() ? line_starts_[index + 1] : source_.size();
  return source_.substr(line_starts_[index], end - line_starts_[index]);
}

Place YamlTree::PlaceOfByte(size_t offset) const {
  const auto line = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset) - 1;
  const std::string_view before = source_.substr(*line, offset - *line);
  const auto characters =
      std::count_if(before.begin(), before.end(), [](char c) { return (c & 0xC0) != 0x80; });
  return {static_cast<int>(line - line_starts_.begin()) + 1, static_cast<int>(characters) + 1};
}

Place YamlTree::PlaceInText(const Node& scalar, size_t offset) const {
  size_t from = std::string_view::npos;  // of the ${{ in the text and in the source
  size_t at = line_starts_[std::min<size_t>(scalar.line, line_starts_.size()) - 1];
  for (uint32_t c = 1; c < scalar.column && at < source_.size(); ++at) {
    if ((source_[at] & 0xC0) != 0x80) ++c;
  }
  size_t found = at;
  for (size_t i = scalar.text.find("${{"); i <= offset && i != std::string_view::npos;
       i = scalar.text.find("${{", i + 1)) {
    found = source_.find("${{", from == std::string_view::npos ? at : found + 1);
    if (found == std::string_view::npos) return scalar.place();
    from = i;
  }
  if (from == std::string_view::npos) return scalar.place();
  const size_t ahead = offset - from;
  const bool literal = source_.substr(found, ahead) == scalar.text.substr(from, ahead);
  return PlaceOfByte(literal ? found + ahead : found);
}

}  // namespace penstock::dag
