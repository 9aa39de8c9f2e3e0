#include "client/lib/utf8.h"

namespace penstock::client {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// How many bytes a character that begins with `lead` has; 0 = none does.
uint32_t Length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

bool IsScalar(char32_t code, uint32_t bytes) {
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  return code >= kSmallest[bytes] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

}  // namespace

Utf8Char FirstChar(std::string_view text) {
  if (text.empty()) return {};
  const auto lead = static_cast<unsigned char>(text[0]);
  const uint32_t bytes = Length(lead);
  const Utf8Char broken{kReplacement, 1, false};
  if (bytes == 0 || bytes > text.size()) return broken;
  if (bytes == 1) return {lead, 1, true};
  char32_t code = lead & (0x7Fu >> bytes);
  for (uint32_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return broken;
    code = (code << 6) | (next & 0x3F);
  }
  return IsScalar(code, bytes) ? Utf8Char{code, bytes, true} : broken;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char c = FirstChar(text);
    if (!c.valid) return false;
    text.remove_prefix(c.bytes);
  }
  return true;
}

}  // namespace penstock::client
