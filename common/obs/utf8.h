#pragma once
// Walks over text that may or may not be UTF-8.
#include <functional>
#include <string_view>

namespace penstock::obs {

inline constexpr char32_t kReplacement = 0xFFFD;

// Calls `fn` with each character and its bytes, in order. A byte that begins no valid character
// (overlong and surrogate forms included) is given as U+FFFD with U+FFFD's bytes.
void ForEachCodePoint(std::string_view text,
                      const std::function<void(char32_t, std::string_view)>& fn);

}  // namespace penstock::obs
