#include "common/obs/utf8.h"

#include <cstddef>

namespace penstock::obs {
namespace {

constexpr std::string_view kReplacementBytes = "\xEF\xBF\xBD";

struct Decoded {
  char32_t c = kReplacement;
  size_t length = 0;  // 0 = not a valid character
};

size_t LengthFromLead(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

bool IsValid(char32_t c, size_t length) {
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  return c >= kSmallest[length] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

Decoded DecodeOne(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t length = LengthFromLead(lead);
  if (length == 1) return {lead, 1};
  if (length == 0 || length > text.size()) return {};
  char32_t c = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    c = c << 6 | (next & 0x3F);
  }
  if (!IsValid(c, length)) return {};
  return {c, length};
}

}  // namespace

void ForEachCodePoint(std::string_view text,
                      const std::function<void(char32_t, std::string_view)>& fn) {
  while (!text.empty()) {
    const Decoded decoded = DecodeOne(text);
    if (decoded.length == 0) {
      fn(kReplacement, kReplacementBytes);
      text.remove_prefix(1);
    } else {
      fn(decoded.c, text.substr(0, decoded.length));
      text.remove_prefix(decoded.length);
    }
  }
}

}  // namespace penstock::obs
