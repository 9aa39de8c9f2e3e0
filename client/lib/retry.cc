#include "client/lib/retry.h"

#include <algorithm>

#include "common/base/status.h"
#include "common/rpc/status.h"

namespace penstock::client {

RetryPlan::RetryPlan(size_t count, size_t first, absl::Duration retry_for, uint64_t seed)
    : count_(count),
      retry_for_(retry_for),
      address_(first % count),
      backoff_(absl::Milliseconds(100), absl::Seconds(1), seed) {}

std::optional<absl::Duration> RetryPlan::Failed(SteadyTime now,
                                                std::optional<absl::Duration> hint) {
  if (!failing_since_) failing_since_ = now;
  ++failures_;
  const bool all_tried = failures_ >= count_;
  const absl::Duration left = retry_for_ - (now - *failing_since_);
  if (all_tried && left <= absl::ZeroDuration()) return std::nullopt;
  if (!hint) address_ = (address_ + 1) % count_;
  if (!hint && failures_ % count_ != 0) return absl::ZeroDuration();
  return std::min(std::max(backoff_.Next(), hint.value_or(absl::ZeroDuration())),
                  std::max(left, absl::ZeroDuration()));
}

void RetryPlan::Succeeded(absl::Duration retry_for) {
  failures_ = 0;
  failing_since_.reset();
  retry_for_ = retry_for;
  backoff_.Reset();
}

bool IsRetryable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status) ||
         (absl::IsResourceExhausted(status) && rpc::RetryAfter(status));
}

std::string PlainReason(const absl::Status& status) {
  const std::string_view text = Message(status);
  if (text.substr(0, 17) != "failed to connect") return std::string(text);
  const size_t cut = text.rfind(": ");
  return std::string(cut == std::string_view::npos ? text : text.substr(cut + 2));
}

}  // namespace penstock::client
