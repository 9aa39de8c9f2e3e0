#include "scheduler/store/pg/text.h"

#include <cstdint>

namespace penstock::pg {
namespace {

bool IsContinuation(std::string_view s, size_t i) {
  return i < s.size() && (static_cast<uint8_t>(s[i]) & 0xC0U) == 0x80U;
}

// Length of the well-formed multi-byte sequence at `i`; 0 when there is none.
size_t SequenceLength(std::string_view s, size_t i) {
  const auto lead = static_cast<uint8_t>(s[i]);
  const auto next = i + 1 < s.size() ? static_cast<uint8_t>(s[i + 1]) : uint8_t{0};
  size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  for (size_t k = 1; k < length; ++k) {
    if (!IsContinuation(s, i + k)) return 0;
  }
  if ((lead == 0xE0 && next < 0xA0) || (lead == 0xED && next > 0x9F) ||
      (lead == 0xF0 && next < 0x90) || (lead == 0xF4 && next > 0x8F)) {
    return 0;
  }
  return length;
}

}  // namespace

bool IsStorableText(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte == 0) return false;
    const size_t length = byte < 0x80 ? 1 : SequenceLength(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

void AppendQuoted(std::string_view value, std::string* out) {
  out->push_back('"');
  for (;;) {
    const size_t at = value.find_first_of("\\\"");
    out->append(value.substr(0, at));
    if (at == std::string_view::npos) break;
    out->push_back('\\');
    out->push_back(value[at]);
    value.remove_prefix(at + 1);
  }
  out->push_back('"');
}

}  // namespace penstock::pg
