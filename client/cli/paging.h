#pragma once
// Lists come in pages; commands want them whole, up to a limit.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "common/base/status_macros.h"

namespace penstock::client {

inline constexpr int64_t kDefaultLimit = 100;
inline constexpr int64_t kPageSize = 1000;

// Calls `list(request)` page by page until `session`'s --limit is reached, and takes what
// `items(response)` (a repeated field) holds. When more is left, a remark says so.
template <typename Item, typename Request, typename List, typename Items>
absl::StatusOr<std::vector<Item>> ReadPages(Session& session, Request request, List list,
                                            Items items) {
  const int64_t limit = session.call().Number("limit", kDefaultLimit);
  std::vector<Item> all;
  for (;;) {
    const int64_t left = limit == 0 ? kPageSize : limit - static_cast<int64_t>(all.size());
    request.set_page_size(static_cast<int32_t>(std::min(left, kPageSize)));
    PENSTOCK_ASSIGN_OR_RETURN(const auto page, list(request));
    all.insert(all.end(), items(page).begin(), items(page).end());
    if (page.next_cursor().empty()) return all;
    if (limit != 0 && static_cast<int64_t>(all.size()) >= limit) break;
    request.set_cursor(page.next_cursor());
  }
  session.Note(std::to_string(all.size()) + " shown, there are more (--limit 0 shows all)");
  return all;
}

}  // namespace penstock::client
