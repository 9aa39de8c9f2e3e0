#include "tests/arch/source_text.h"

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace penstock::arch {
namespace {

bool IsNameChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool StartsAt(std::string_view text, size_t at, std::string_view what) {
  return text.substr(at).starts_with(what);
}

// EndOf...: the place after the comment or literal that begins at `at`.
size_t EndOfLineComment(std::string_view text, size_t at) {
  return std::min(text.find('\n', at), text.size());
}

size_t EndOfBlockComment(std::string_view text, size_t at) {
  const size_t end = text.find("*/", at + 2);
  return end == std::string_view::npos ? text.size() : end + 2;
}

size_t EndOfRawString(std::string_view text, size_t at) {
  const size_t open = text.find('(', at);
  if (open == std::string_view::npos) return text.size();
  const std::string close = ")" + std::string(text.substr(at + 2, open - at - 2)) + "\"";
  const size_t end = text.find(close, open);
  return end == std::string_view::npos ? text.size() : end + close.size();
}

size_t EndOfQuoted(std::string_view text, size_t at) {
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == text[at] || text[i] == '\n') return i + 1;
    if (text[i] == '\\') ++i;
  }
  return text.size();
}

size_t EndOfHidden(std::string_view text, size_t at) {
  if (StartsAt(text, at, "//")) return EndOfLineComment(text, at);
  if (StartsAt(text, at, "/*")) return EndOfBlockComment(text, at);
  const bool name_before = at > 0 && IsNameChar(text[at - 1]);
  if (StartsAt(text, at, "R\"") && !name_before) return EndOfRawString(text, at);
  if (text[at] == '"') return EndOfQuoted(text, at);
  if (text[at] == '\'' && !name_before) return EndOfQuoted(text, at);  // not 1'000
  return at;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? "" : text.substr(begin);
}

// The header of an include line, or empty.
std::string HeaderOf(std::string_view line) {
  line = Trim(line);
  if (!line.starts_with('#')) return "";
  line = Trim(line.substr(1));
  constexpr std::string_view kInclude = "include";
  if (!line.starts_with(kInclude)) return "";
  line = Trim(line.substr(kInclude.size()));
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return "";
  const size_t end = line.find(line[0] == '<' ? '>' : '"', 1);
  return end == std::string_view::npos ? "" : std::string(line.substr(1, end - 1));
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

std::string CodeOnly(std::string_view text) {
  std::string code(text);
  for (size_t at = 0; at < text.size();) {
    const size_t end = EndOfHidden(text, at);
    for (size_t i = at; i < end; ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
    at = std::max(end, at + 1);
  }
  return code;
}

std::vector<Include> Includes(std::string_view text) {
  const std::string code = CodeOnly(text);
  const std::vector<std::string_view> code_lines = Lines(code);
  const std::vector<std::string_view> lines = Lines(text);
  std::vector<Include> includes;
  for (size_t i = 0; i < lines.size(); ++i) {
    // The code tells that the line is no comment; the header itself may be blanked there.
    if (!Trim(code_lines[i]).starts_with('#')) continue;
    if (const std::string header = HeaderOf(lines[i]); !header.empty()) {
      includes.push_back({static_cast<int>(i) + 1, header});
    }
  }
  return includes;
}

std::vector<int> LinesWith(std::string_view code, std::string_view token) {
  std::vector<int> found;
  const std::vector<std::string_view> lines = Lines(code);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    for (size_t at = line.find(token); at != std::string_view::npos;
         at = line.find(token, at + 1)) {
      const size_t end = at + token.size();
      const bool whole =
          (at == 0 || !IsNameChar(line[at - 1])) && (end == line.size() || !IsNameChar(line[end]));
      if (!whole) continue;
      found.push_back(static_cast<int>(i) + 1);
      break;
    }
  }
  return found;
}

int CountLines(std::string_view text) { return static_cast<int>(Lines(text).size()); }

}  // namespace penstock::arch
