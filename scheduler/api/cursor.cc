#include "scheduler/api/cursor.h"

#include <fmt/format.h>

#include <charconv>

#include "absl/strings/escaping.h"

namespace penstock::api {
namespace {

absl::Status NotOurs() {
  return absl::InvalidArgumentError(
      "cursor: not one that this list has returned; leave it empty to begin at the start");
}

}  // namespace

std::string MakeCursor(std::string_view list, std::string_view place) {
  return absl::WebSafeBase64Escape(fmt::format("{}:{}", list, place));
}

absl::StatusOr<std::string> ReadCursor(std::string_view list, std::string_view cursor) {
  if (cursor.empty()) return std::string();
  std::string text;
  const std::string prefix = fmt::format("{}:", list);
  if (cursor.size() > 4096 ||
      !absl::WebSafeBase64Unescape(absl::string_view(cursor.data(), cursor.size()), &text) ||
      text.compare(0, prefix.size(), prefix) != 0) {
    return NotOurs();
  }
  return text.substr(prefix.size());
}

absl::StatusOr<int64_t> ReadNumberCursor(std::string_view list, std::string_view cursor) {
  const absl::StatusOr<std::string> place = ReadCursor(list, cursor);
  if (!place.ok()) return place.status();
  if (place->empty()) return 0;
  int64_t value = 0;
  const char* end = place->data() + place->size();
  const auto [ptr, error] = std::from_chars(place->data(), end, value);
  if (error != std::errc() || ptr != end || value < 0) return NotOurs();
  return value;
}

}  // namespace penstock::api
