#pragma once
// Trigger rules: when a task may run, given the states of its upstream instances.
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace penstock::dag {

// Stored by number: append only.
enum class TriggerRule : uint8_t {
  kAllSuccess = 0,
  kAllFailed = 1,
  kAllDone = 2,
  kAllDoneMinOneSuccess = 3,
  kAllSkipped = 4,
  kOneSuccess = 5,
  kOneFailed = 6,
  kOneDone = 7,
  kNoneFailed = 8,
  kNoneFailedMinOneSuccess = 9,
  kNoneSkipped = 10,
  kAlways = 11,
};
inline constexpr int kTriggerRuleCount = 12;

// "all_success" and so on: the names of the DAG file.
std::string_view ToString(TriggerRule rule);
std::optional<TriggerRule> ParseTriggerRule(std::string_view name);
std::span<const std::string_view> TriggerRuleNames();

// What a task sees of its upstream instances. Removed instances are left out of everything.
struct UpstreamView {
  uint32_t total = 0;      // relevant upstream instances, finished or not
  uint32_t remaining = 0;  // of these, not finished
  bool any_success = false;
  bool any_failed = false;
  bool any_upstream_failed = false;
  bool any_skipped = false;
};

enum class Judgement : uint8_t { kWait, kRun, kSkip, kUpstreamFailed };

namespace internal {
constexpr Judgement WhenDone(const UpstreamView& up, Judgement verdict) {
  return up.remaining == 0 ? verdict : Judgement::kWait;
}
constexpr Judgement JudgeOneSuccess(const UpstreamView& up, bool failure) {
  if (up.any_success) return Judgement::kRun;
  return WhenDone(up, failure ? Judgement::kUpstreamFailed : Judgement::kSkip);
}
}  // namespace internal

// The verdict as of now; to be asked again at every change of an upstream instance. A verdict other
// than kWait is final unless an upstream instance is cleared. Without upstream a task runs at once.
constexpr Judgement Judge(TriggerRule rule, const UpstreamView& up) {
  using enum Judgement;
  using internal::WhenDone;
  const bool failure = up.any_failed || up.any_upstream_failed;
  if (up.total == 0) return kRun;
  switch (rule) {
    case TriggerRule::kAllSuccess:
      if (failure) return kUpstreamFailed;
      return up.any_skipped ? kSkip : WhenDone(up, kRun);
    case TriggerRule::kAllFailed:
      return up.any_success || up.any_skipped ? kSkip : WhenDone(up, kRun);
    case TriggerRule::kAllDone:
      return WhenDone(up, kRun);
    case TriggerRule::kAllDoneMinOneSuccess:
      return up.any_skipped ? kSkip : WhenDone(up, up.any_success ? kRun : kUpstreamFailed);
    case TriggerRule::kAllSkipped:
      return up.any_success || failure ? kSkip : WhenDone(up, kRun);
    case TriggerRule::kOneSuccess:
      return internal::JudgeOneSuccess(up, failure);
    case TriggerRule::kOneFailed:
      return failure ? kRun : WhenDone(up, kSkip);
    case TriggerRule::kOneDone:
      return up.any_success || up.any_failed ? kRun : WhenDone(up, kSkip);
    case TriggerRule::kNoneFailed:
      return failure ? kUpstreamFailed : WhenDone(up, kRun);
    case TriggerRule::kNoneFailedMinOneSuccess:
      if (failure) return kUpstreamFailed;
      return WhenDone(up, up.any_success ? kRun : kSkip);
    case TriggerRule::kNoneSkipped:
      return up.any_skipped ? kSkip : WhenDone(up, kRun);
    case TriggerRule::kAlways:
      return kRun;
  }
  return kWait;
}

}  // namespace penstock::dag
