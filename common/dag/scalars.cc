#include "common/dag/scalars.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

namespace penstock::dag {
namespace {

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;
constexpr int64_t kMaxDurationMs = 366 * kDayMs;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

std::string_view WithoutSign(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text;
}

// Takes leading digits off `*text`; how many there were.
size_t SkipDigits(std::string_view* text) {
  size_t n = 0;
  while (n < text->size() && IsDigit((*text)[n])) ++n;
  text->remove_prefix(n);
  return n;
}

bool IsBased(std::string_view text, char letter, int base) {
  if (text.size() < 3 || text[0] != '0' || text[1] != letter) return false;
  const std::string_view digits = base == 8 ? "01234567" : "0123456789abcdefABCDEF";
  return text.find_first_not_of(digits, 2) == std::string_view::npos;
}

bool IsInt(std::string_view text) {
  if (IsBased(text, 'o', 8) || IsBased(text, 'x', 16)) return true;
  std::string_view rest = WithoutSign(text);
  return SkipDigits(&rest) > 0 && rest.empty();
}

bool IsSpecialFloat(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  const std::string_view rest = WithoutSign(text);
  return rest == ".inf" || rest == ".Inf" || rest == ".INF";
}

bool IsFloat(std::string_view text) {
  if (IsSpecialFloat(text)) return true;
  std::string_view rest = WithoutSign(text);
  size_t digits = SkipDigits(&rest);
  if (!rest.empty() && rest[0] == '.') {
    const bool leading = digits > 0;
    rest.remove_prefix(1);
    digits += SkipDigits(&rest);
    if (digits == 0 && !leading) return false;
  }
  if (digits == 0) return false;
  if (rest.empty()) return true;
  if (rest[0] != 'e' && rest[0] != 'E') return false;
  rest = WithoutSign(rest.substr(1));
  return SkipDigits(&rest) > 0 && rest.empty();
}

// Digits at the front of `*text` as a number; nullopt when there are none or too many.
std::optional<int64_t> TakeNumber(std::string_view* text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || text->empty() || !IsDigit(text->front())) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return value;
}

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr std::array<Unit, 5> kTimeUnits = {
    {{"d", kDayMs}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}}};

constexpr std::array<Unit, 11> kSizeUnits = {{{"", 1},
                                              {"Ki", int64_t{1} << 10},
                                              {"Mi", int64_t{1} << 20},
                                              {"Gi", int64_t{1} << 30},
                                              {"Ti", int64_t{1} << 40},
                                              {"Pi", int64_t{1} << 50},
                                              {"k", 1'000},
                                              {"M", 1'000'000},
                                              {"G", 1'000'000'000},
                                              {"T", 1'000'000'000'000},
                                              {"P", 1'000'000'000'000'000}}};

// Length of the UTF-8 sequence at the start of `text`, 0 when it is not one (overlong forms,
// surrogates and numbers above U+10FFFF are not).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;
  if (lead == 0xED && byte(1) > 0x9F) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

// C1 controls and the two non-characters of the basic plane are no text either; U+0085 is a line
// end to YAML.
bool IsBadCharacter(std::string_view sequence) {
  if (sequence.size() == 2)
    return sequence[0] == '\xC2' && sequence[1] < '\xA0' && sequence[1] != '\x85';
  return sequence == "\xEF\xBF\xBE" || sequence == "\xEF\xBF\xBF";
}

}  // namespace

ScalarKind ClassifyPlain(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return ScalarKind::kNull;
  }
  for (std::string_view word : {"true", "True", "TRUE", "false", "False", "FALSE"}) {
    if (text == word) return ScalarKind::kBool;
  }
  if (!IsDigit(text[0]) && text[0] != '-' && text[0] != '+' && text[0] != '.') {
    return ScalarKind::kString;
  }
  if (IsInt(text)) return ScalarKind::kInt;
  return IsFloat(text) ? ScalarKind::kFloat : ScalarKind::kString;
}

bool ParseBool(std::string_view text) { return text[0] == 't' || text[0] == 'T'; }

std::optional<int64_t> ParseInt(std::string_view text) {
  int base = 10;
  if (text.starts_with("0o")) base = 8;
  if (text.starts_with("0x")) base = 16;
  if (base != 10) text.remove_prefix(2);
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value, base);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

double ParseFloat(std::string_view text) {
  if (IsSpecialFloat(text)) {
    if (text[1] == 'n' || text[1] == 'N') return std::numeric_limits<double>::quiet_NaN();
    const double inf = std::numeric_limits<double>::infinity();
    return text[0] == '-' ? -inf : inf;
  }
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range) return std::numeric_limits<double>::infinity();
  return value;
}

bool IsId(std::string_view text) {
  if (text.empty() || !(IsAlpha(text[0]) || text[0] == '_')) return false;
  for (char c : text) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '_' && c != '.' && c != '-') return false;
  }
  return text.find("..") == std::string_view::npos;
}

bool IsName(std::string_view text) {
  return IsId(text) && text.find_first_of(".-") == std::string_view::npos;
}

bool IsLabelKey(std::string_view text) {
  if (text.empty() || !(IsAlpha(text[0]) || IsDigit(text[0]))) return false;
  for (char c : text) {
    if (!IsAlpha(c) && !IsDigit(c) && std::string_view("_./-").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return text.find("..") == std::string_view::npos;
}

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  if (text == "0") return absl::ZeroDuration();
  if (text.empty()) return std::nullopt;
  int64_t total = 0;
  size_t next_unit = 0;
  while (!text.empty()) {
    const std::optional<int64_t> count = TakeNumber(&text);
    size_t letters = 0;
    while (letters < text.size() && IsAlpha(text[letters])) ++letters;
    const std::string_view name = text.substr(0, letters);
    text.remove_prefix(letters);
    while (next_unit < kTimeUnits.size() && kTimeUnits[next_unit].name != name) ++next_unit;
    if (!count || next_unit == kTimeUnits.size()) return std::nullopt;
    const int64_t factor = kTimeUnits[next_unit++].factor;
    if (*count > kMaxDurationMs / factor) return std::nullopt;
    total += *count * factor;
    if (total > kMaxDurationMs) return std::nullopt;
  }
  return absl::Milliseconds(total);
}

std::optional<int64_t> ParseSize(std::string_view text) {
  const std::optional<int64_t> count = TakeNumber(&text);
  for (const Unit& unit : kSizeUnits) {
    if (text != unit.name) continue;
    if (!count || *count > std::numeric_limits<int64_t>::max() / unit.factor) return std::nullopt;
    return *count * unit.factor;
  }
  return std::nullopt;
}

std::optional<int64_t> ParseCpu(std::string_view text) {
  constexpr int64_t kMaxMillis = 1'000'000'000;
  const std::optional<int64_t> whole = TakeNumber(&text);
  if (!whole || *whole > kMaxMillis) return std::nullopt;
  if (text == "m") return whole;
  int64_t millis = *whole * 1000;
  if (text.empty()) return millis > kMaxMillis ? std::nullopt : std::optional(millis);
  if (text.size() < 2 || text.size() > 4 || text[0] != '.') return std::nullopt;
  int64_t place = 100;
  for (char c : text.substr(1)) {
    if (!IsDigit(c)) return std::nullopt;
    millis += (c - '0') * place;
    place /= 10;
  }
  return millis > kMaxMillis ? std::nullopt : std::optional(millis);
}

std::string ShownText(std::string_view text) {
  constexpr size_t kMaxCharacters = 60;
  std::string shown;
  size_t characters = 0;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) != 0x80 && ++characters > kMaxCharacters) return shown + "...";
    shown += byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  return shown;
}

std::optional<BadByte> FindBadByte(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x7F) {
      ++i;
      continue;
    }
    if (c == 0) return BadByte{i, "NUL is not allowed"};
    if (c < 0x80 && c != '\t' && c != '\n' && c != '\r') {
      return BadByte{i, fmt::format("control character 0x{:02x} is not allowed", c)};
    }
    const size_t length = Utf8Length(text.substr(i));
    if (length == 0) return BadByte{i, fmt::format("byte 0x{:02x} is not valid UTF-8", c)};
    if (IsBadCharacter(text.substr(i, length))) {
      return BadByte{i, "control characters and non-characters are not allowed"};
    }
    i += length;
  }
  return std::nullopt;
}

}  // namespace penstock::dag
