#include "common/dag/json_text.h"

#include <fmt/format.h>

#include <iterator>

namespace penstock::dag {
namespace {

std::string_view ShortEscape(char c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return "";
  }
}

}  // namespace

void AppendQuoted(std::string* out, std::string_view text) {
  *out += '"';
  size_t done = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool control = static_cast<unsigned char>(c) < 0x20;
    if (!control && c != '"' && c != '\\') continue;
    out->append(text, done, i - done);
    done = i + 1;
    const std::string_view escape = ShortEscape(c);
    if (!escape.empty()) {
      out->append(escape);
    } else {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  out->append(text, done);
  *out += '"';
}

std::string Quoted(std::string_view text) {
  std::string out;
  AppendQuoted(&out, text);
  return out;
}

void AppendNumber(std::string* out, double value) {
  const std::string text = fmt::format("{}", value);
  out->append(text);
  if (text.find_first_of(".e") == std::string::npos) out->append(".0");
}

}  // namespace penstock::dag
