#pragma once
// Dates in expressions are RFC 3339 strings; results are in UTC.
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace penstock::dag {

// "2024-05-01T06:00:00Z", with any offset and a fraction, or "2024-05-01" (midnight UTC). Years
// 1 to 9999.
absl::StatusOr<absl::Time> ParseDate(std::string_view text);
// "2024-05-01T06:00:00Z", with a fraction only when there is one.
std::string FormatDate(absl::Time time);

// `date` + `duration` ("1d", "-2h30m").
absl::StatusOr<std::string> DateAdd(std::string_view date, std::string_view duration);
// `pattern` with %Y %m %d %H %M %S %j %y %b %B %a %A %u %V %G %F %T %s %% replaced, in UTC.
absl::StatusOr<std::string> DateFormat(std::string_view date, std::string_view pattern);

}  // namespace penstock::dag
