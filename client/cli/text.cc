#include "client/cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "client/lib/utf8.h"

namespace penstock::client {
namespace {

constexpr char kEscape = '\x1b';

struct Range {
  char32_t first;
  char32_t last;
};

// Characters that show nothing and change how the others look: soft hyphen, zero-width and
// direction marks, line and paragraph separators, the byte order mark, tags.
constexpr Range kInvisible[] = {{0xAD, 0xAD},     {0x61C, 0x61C},   {0x180E, 0x180E},
                                {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
                                {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
constexpr Range kCombining[] = {
    {0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x610, 0x61A},   {0x64B, 0x65F},
    {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
                           {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},
                           {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
                           {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
                           {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

template <size_t n>
bool In(const Range (&ranges)[n], char32_t code) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [&](const Range& r) { return r.first <= code && code <= r.last; });
}

bool IsControl(char32_t code) { return code < 0x20 || (code >= 0x7F && code <= 0x9F); }

void AppendEscaped(char32_t code, std::string* out) {
  const auto number = static_cast<uint32_t>(code);
  if (code == '\n') {
    *out += "\\n";
  } else if (code == '\r') {
    *out += "\\r";
  } else if (code == '\t') {
    *out += "\\t";
  } else if (code < 0x100) {
    *out += fmt::format("\\x{:02x}", number);
  } else {
    *out += fmt::format("\\u{:04x}", number);
  }
}

// The character at the beginning of `text`, safe; returns its bytes.
size_t AppendSafe(std::string_view text, bool keep_lines, std::string* out) {
  const Utf8Char c = FirstChar(text);
  if (!c.valid) {
    AppendEscaped(static_cast<unsigned char>(text[0]), out);
  } else if (keep_lines && (c.code == '\n' || c.code == '\t')) {
    *out += static_cast<char>(c.code);
  } else if (IsControl(c.code) || In(kInvisible, c.code)) {
    AppendEscaped(c.code, out);
  } else {
    out->append(text.substr(0, c.bytes));
  }
  return c.bytes;
}

std::string MakeSafe(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) text.remove_prefix(AppendSafe(text, keep_lines, &out));
  return out;
}

// The length of the colour sequence (ESC [ digits and semicolons m) that `text` begins with; 0 =
// it does not.
size_t ColorSequence(std::string_view text) {
  if (text.size() < 3 || text[0] != kEscape || text[1] != '[') return 0;
  const size_t end = text.find_first_not_of("0123456789;", 2);
  return end < 32 && text[end] == 'm' ? end + 1 : 0;
}

int64_t Seconds(absl::Duration duration) { return absl::ToInt64Seconds(duration); }

}  // namespace

std::string Printable(std::string_view text) { return MakeSafe(text, false); }

std::string PrintableLines(std::string_view text) { return MakeSafe(text, true); }

std::string PrintableLog(std::string_view text, bool color) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (const size_t length = ColorSequence(text); length > 0) {
      if (color) out.append(text.substr(0, length));
      text.remove_prefix(length);
    } else if (text.substr(0, 2) == "\r\n") {
      text.remove_prefix(1);
    } else {
      text.remove_prefix(AppendSafe(text, true, &out));
    }
  }
  return out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Utf8Char c = FirstChar(text);
    width += In(kCombining, c.code) ? 0u : In(kWide, c.code) ? 2u : 1u;
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string Truncate(std::string_view text, size_t columns) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  if (columns <= 3) return std::string(columns, '.');
  size_t width = 0;
  size_t end = 0;
  for (;;) {
    const uint32_t bytes = FirstChar(text.substr(end)).bytes;
    const size_t next = DisplayWidth(text.substr(end, bytes));
    if (width + next > columns - 3) break;
    width += next;
    end += bytes;
  }
  return std::string(text.substr(0, end)) + "...";
}

std::string FormatElapsed(absl::Duration duration) {
  duration = std::max(duration, absl::ZeroDuration());
  const int64_t s = Seconds(duration);
  if (s < 1) return fmt::format("{}ms", absl::ToInt64Milliseconds(duration));
  if (s < 60) {
    return fmt::format("{:.1f}s",
                       absl::ToDoubleSeconds(absl::Floor(duration, absl::Milliseconds(100))));
  }
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d{:02}h", s / 86400, s / 3600 % 24);
}

std::string FormatAge(absl::Time then, absl::Time now) {
  const int64_t s = Seconds(now - then);
  if (s < 1) return "just now";
  if (s < 60) return fmt::format("{}s ago", s);
  if (s < 3600) return fmt::format("{}m ago", s / 60);
  if (s < 86400) return fmt::format("{}h ago", s / 3600);
  return fmt::format("{}d ago", s / 86400);
}

std::string AgeText(const google::protobuf::Timestamp& then, absl::Time now) {
  return then.seconds() == 0 ? "" : FormatAge(ToTime(then), now);
}

std::string FormatUtc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

std::string Count(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string ShellQuote(std::string_view word) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:,=@%+").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace penstock::client
