#pragma once
// Cursors of lists: opaque to clients, made of the list's name and the place it stopped at.
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace penstock::api {

std::string MakeCursor(std::string_view list, std::string_view place);
// The place; "" for an empty cursor (the beginning). INVALID_ARGUMENT for anything that MakeCursor
// has not made for the same list.
absl::StatusOr<std::string> ReadCursor(std::string_view list, std::string_view cursor);
// The same for a place that is a number; 0 = the beginning.
absl::StatusOr<int64_t> ReadNumberCursor(std::string_view list, std::string_view cursor);

}  // namespace penstock::api
