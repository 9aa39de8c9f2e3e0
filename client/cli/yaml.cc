#include "client/cli/yaml.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "client/cli/text.h"
#include "common/dag/scalars.h"

namespace penstock::client {
namespace {

using Json = nlohmann::ordered_json;

// Whether YAML reads `text` as that very string without quotes.
bool IsPlainScalar(std::string_view text) {
  if (text.empty() || dag::ClassifyPlain(text) != dag::ScalarKind::kString) return false;
  if (text.front() == ' ' || text.back() == ' ') return false;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`=~<.+").find(text.front()) != std::string_view::npos) {
    return false;
  }
  if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos ||
      text.back() == ':') {
    return false;
  }
  // YAML 1.1 readers are still about.
  for (const std::string_view word : {"y", "n", "yes", "no", "on", "off"}) {
    if (text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(),
                                                 [](char a, char b) { return (a | 0x20) == b; })) {
      return false;
    }
  }
  const bool digits_first = text.front() >= '0' && text.front() <= '9';
  return !(digits_first && text.find_first_of(":_-") != std::string_view::npos) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

// JSON's strings are YAML's double-quoted ones.
std::string Scalar(const Json& value) {
  if (value.is_string() && IsPlainScalar(value.get_ref<const std::string&>())) {
    return value.get<std::string>();
  }
  return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// Whether `value` is a text of several lines that YAML can hold as it stands ("|").
bool IsBlock(const Json& value) {
  if (!value.is_string()) return false;
  const std::string& text = value.get_ref<const std::string&>();
  const size_t first = text.find_first_not_of('\n');
  if (text.find('\n') == std::string::npos || first != 0 || text.front() == ' ') return false;
  if (text.size() >= 2 && text.substr(text.size() - 2) == "\n\n") return false;
  return PrintableLines(text) == text && text.find('\t') == std::string::npos;
}

void AppendBlock(const std::string& text, size_t indent, std::string* out) {
  *out += text.back() == '\n' ? "|\n" : "|-\n";
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) *out += std::string(indent, ' ') + text.substr(begin, end - begin);
    *out += "\n";
    begin = end + 1;
  }
}

void AppendScalar(const Json& value, size_t indent, std::string* out) {
  if (IsBlock(value)) return AppendBlock(value.get_ref<const std::string&>(), indent, out);
  *out += Scalar(value) + "\n";
}

bool IsNested(const Json& value) { return value.is_structured() && !value.empty(); }

void Append(const Json& value, size_t indent, bool continues_line, std::string* out);

void AppendMap(const Json& map, size_t indent, bool continues_line, std::string* out) {
  for (const auto& [key, value] : map.items()) {
    if (!continues_line) *out += std::string(indent, ' ');
    continues_line = false;
    *out += Scalar(Json(key)) + ":";
    if (IsNested(value)) {
      *out += "\n";
      Append(value, value.is_array() ? indent : indent + 2, false, out);
    } else {
      *out += " ";
      AppendScalar(value, indent + 2, out);
    }
  }
}

void AppendList(const Json& list, size_t indent, bool continues_line, std::string* out) {
  for (const Json& value : list) {
    if (!continues_line) *out += std::string(indent, ' ');
    continues_line = false;
    *out += "- ";
    if (IsNested(value)) {
      Append(value, indent + 2, true, out);
    } else {
      AppendScalar(value, indent + 2, out);
    }
  }
}

// `continues_line`: something stands before it on the line.
void Append(const Json& value, size_t indent, bool continues_line, std::string* out) {
  if (value.is_object()) return AppendMap(value, indent, continues_line, out);
  AppendList(value, indent, continues_line, out);
}

}  // namespace

std::string ToYaml(const nlohmann::ordered_json& value) {
  if (!IsNested(value)) return Scalar(value) + "\n";
  std::string out;
  Append(value, 0, false, &out);
  return out;
}

}  // namespace penstock::client
