#pragma once
// Text for people: made safe for a terminal, measured, cut, and times in words. Pure.
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace penstock::client {

// `text` on one line, with everything that could steer a terminal or hide text written out: control
// characters (line breaks too), escape sequences, marks that reverse the direction of writing, and
// bytes that are not UTF-8, as \n, \t, \x1b, \u202e, \xff. What comes from a server passes here.
std::string Printable(std::string_view text);

// The same for a text of several lines: line breaks and tabs stay.
std::string PrintableLines(std::string_view text);

// Bytes of a log as a terminal may show them: as PrintableLines, but colour sequences stay when
// `color` (the caller resets them) and vanish otherwise, and "\r\n" becomes "\n". An incomplete
// character or sequence at the end is escaped too.
std::string PrintableLog(std::string_view text, bool color);

// Columns that a printable text takes: 0 for combining marks, 2 for wide characters.
size_t DisplayWidth(std::string_view text);

// `text` if it fits into `columns`, else its beginning and "...".
std::string Truncate(std::string_view text, size_t columns);

// "850ms", "12.3s", "2m05s", "3h07m", "4d02h". Negative durations are 0.
std::string FormatElapsed(absl::Duration duration);
// How long before `now`, in one unit: "12s ago", "3h ago"; "just now" for less than a second.
std::string FormatAge(absl::Time then, absl::Time now);
// The same; "" for a time that is not set.
std::string AgeText(const google::protobuf::Timestamp& then, absl::Time now);
// RFC 3339 in UTC with whole seconds: "2026-01-02T03:04:05Z".
std::string FormatUtc(absl::Time time);
absl::Time ToTime(const google::protobuf::Timestamp& timestamp);

// "1 task", "3 tasks".
std::string Count(int64_t count, std::string_view noun);

// `word` for a shell's command line: as it is, or in single quotes.
std::string ShellQuote(std::string_view word);

}  // namespace penstock::client
