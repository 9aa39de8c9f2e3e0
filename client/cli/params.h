#pragma once
// The parameters of a run from the command line. Pure but for reading the file that is named.
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace penstock::client {

// One JSON object: what `source` holds, then each "name=value" of `pairs` over it. `source` is an
// object itself (it begins with '{'), "-" = standard input, or the name of a JSON file; "" = none.
// A value that is JSON keeps its type (3, true, [1, 2], "text"); any other is a string.
absl::StatusOr<std::string> BuildParams(const std::string& source,
                                        const std::vector<std::string>& pairs, std::istream& in);

// "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00"; without a zone it is UTC.
absl::StatusOr<absl::Time> ParseLogicalDate(std::string_view text);

}  // namespace penstock::client
