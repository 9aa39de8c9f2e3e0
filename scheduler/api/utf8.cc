#include "scheduler/api/utf8.h"

#include <cstdint>

namespace penstock::api {
namespace {

uint8_t Byte(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

bool InRange(std::string_view text, size_t at, int low, int high) {
  return at < text.size() && Byte(text, at) >= low && Byte(text, at) <= high;
}

bool Tail(std::string_view text, size_t at) { return InRange(text, at, 0x80, 0xBF); }

// Bytes of the character at `at`, 0 when there is none.
size_t CharacterLength(std::string_view text, size_t at) {
  const uint8_t lead = Byte(text, at);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return Tail(text, at + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const int low = lead == 0xE0 ? 0xA0 : 0x80;
    const int high = lead == 0xED ? 0x9F : 0xBF;
    return InRange(text, at + 1, low, high) && Tail(text, at + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const int low = lead == 0xF0 ? 0x90 : 0x80;
    const int high = lead == 0xF4 ? 0x8F : 0xBF;
    return InRange(text, at + 1, low, high) && Tail(text, at + 2) && Tail(text, at + 3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

size_t ValidUtf8Prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = CharacterLength(text, at);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

}  // namespace penstock::api
