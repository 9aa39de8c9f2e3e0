#include "common/dag/expr_dates.h"

#include <fmt/format.h>

#include "absl/status/status.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

constexpr std::string_view kLetters = "YmdHMSjybBaAuVGFTs%";

absl::Status Error(std::string text) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, text);
}

absl::StatusOr<absl::Time> InRange(absl::Time time) {
  const int64_t year = absl::ToCivilYear(time, absl::UTCTimeZone()).year();
  if (year < 1 || year > 9999) return Error("dates must lie in the years 1 to 9999");
  return time;
}

absl::Status CheckPattern(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') continue;
    ++i;
    if (i == pattern.size()) return Error("a date pattern must not end with a single %");
    if (kLetters.find(pattern[i]) == std::string_view::npos) {
      return Error("a date pattern knows %Y %m %d %H %M %S %j %y %b %B %a %A %u %V %G %F %T %s %%");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::Time> ParseDate(std::string_view text) {
  const absl::string_view input(text.data(), text.size());
  absl::Time time;
  std::string error;
  const bool shaped = text.size() >= 10 && text.size() <= 40 && text[0] >= '0' && text[0] <= '9';
  if (!shaped || (!absl::ParseTime("%Y-%m-%dT%H:%M:%E*S%Ez", input, &time, &error) &&
                  !absl::ParseTime("%Y-%m-%d", input, &time, &error))) {
    return Error(fmt::format("\"{:.40}\" is not a date like 2024-05-01T06:00:00Z", text));
  }
  return InRange(time);
}

std::string FormatDate(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<std::string> DateAdd(std::string_view date, std::string_view duration) {
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Time time, ParseDate(date));
  const bool back = duration.starts_with('-');
  const auto amount = ParseDuration(back ? duration.substr(1) : duration);
  if (!amount)
    return Error(fmt::format("\"{:.40}\" is not a duration like 1d or -2h30m", duration));
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Time moved,
                            InRange(back ? time - *amount : time + *amount));
  return FormatDate(moved);
}

absl::StatusOr<std::string> DateFormat(std::string_view date, std::string_view pattern) {
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Time time, ParseDate(date));
  PENSTOCK_RETURN_IF_ERROR(CheckPattern(pattern));
  return absl::FormatTime(absl::string_view(pattern.data(), pattern.size()), time,
                          absl::UTCTimeZone());
}

}  // namespace penstock::dag
