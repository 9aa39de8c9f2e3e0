#pragma once
// UTF-8, strictly (no surrogates, no overlong forms, at most U+10FFFF). Pure.
#include <cstdint>
#include <string_view>

namespace penstock::client {

// What stands at the beginning of a text. `code` is U+FFFD with `valid` false and `bytes` 1 where
// the text does not begin with a well-formed character; `bytes` is 0 only for an empty text.
struct Utf8Char {
  char32_t code = 0;
  uint32_t bytes = 0;
  bool valid = true;
};
Utf8Char FirstChar(std::string_view text);

bool IsUtf8(std::string_view text);

}  // namespace penstock::client
