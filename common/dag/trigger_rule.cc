#include "common/dag/trigger_rule.h"

#include <algorithm>
#include <array>

namespace penstock::dag {
namespace {
constexpr std::array<std::string_view, kTriggerRuleCount> kNames = {
    "all_success",  "all_failed",
    "all_done",     "all_done_min_one_success",
    "all_skipped",  "one_success",
    "one_failed",   "one_done",
    "none_failed",  "none_failed_min_one_success",
    "none_skipped", "always"};
}  // namespace

std::string_view ToString(TriggerRule rule) {
  const auto index = static_cast<size_t>(rule);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::optional<TriggerRule> ParseTriggerRule(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<TriggerRule>(found - kNames.begin());
}

std::span<const std::string_view> TriggerRuleNames() { return kNames; }

}  // namespace penstock::dag
