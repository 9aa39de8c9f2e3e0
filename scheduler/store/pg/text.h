#pragma once
// What PostgreSQL's text type can hold.
#include <string>
#include <string_view>

namespace penstock::pg {

// UTF-8 as PostgreSQL checks it (no overlong forms, no surrogates, up to U+10FFFF) without NUL.
bool IsStorableText(std::string_view text);

// Appends `value` as an element of an array literal: "value" with \ before \ and ".
void AppendQuoted(std::string_view value, std::string* out);

}  // namespace penstock::pg
