#pragma once
// What an attempt left in the file named by $PENSTOCK_OUTPUT.
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace penstock::worker::exec {

inline constexpr int kMaxOutputDepth = 64;

// Gives the output as one JSON object in compact form, or "" when the text is blank. Two forms:
//
//  * One JSON object, when the first character that is no blank is '{'.
//  * Lines of key=value (a carriage return at the end, blank lines are dropped; the last of equal
//    keys wins). A key is a letter or '_', then letters, digits, '_', '-', '.'. The value is taken
//    as JSON where it is a JSON array, object, string in quotes, true, false, null, or a number
//    that loses nothing by it ("7", "1.5", but not "007", "1.50" or one too large); else it is a
//    text as it stands.
//
// InvalidArgument, naming the line: larger than `max_bytes`, not UTF-8, a NUL, JSON that is not
// well formed or nested deeper than kMaxOutputDepth, a line without '=' or with a bad key.
absl::StatusOr<std::string> ParseOutput(std::string_view text, size_t max_bytes);

// Whether all of it is well-formed UTF-8.
bool IsUtf8(std::string_view text);

}  // namespace penstock::worker::exec
