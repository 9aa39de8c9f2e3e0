#pragma once
// UTF-8 validity as the standard has it: no overlong forms, no surrogates, at most U+10FFFF.
#include <cstddef>
#include <string_view>

namespace penstock::api {

// How many bytes from the start are valid UTF-8, in whole characters.
size_t ValidUtf8Prefix(std::string_view text);

}  // namespace penstock::api
