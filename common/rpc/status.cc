#include "common/rpc/status.h"

#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "common/base/status.h"
#include "common/rpc/status_details.pb.h"

namespace penstock::rpc {
namespace {

constexpr size_t kMaxTextBytes = 4096;
constexpr size_t kMaxDetailBytes = 4096;
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

// Cuts at a character boundary, so that valid UTF-8 stays valid.
std::string CutText(std::string_view text) {
  if (text.size() <= kMaxTextBytes) return std::string(text);
  size_t end = kMaxTextBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

std::string Details(const absl::Status& status) {
  wire::Status details;
  details.set_code(static_cast<int>(status.code()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    auto* any = details.add_details();
    any->set_type_url(url.data(), url.size());
    any->set_value(std::string(payload));
  });
  if (details.details().empty() || details.ByteSizeLong() > kMaxDetailBytes) return "";
  return details.SerializeAsString();
}

void TakeDetails(const std::string& bytes, absl::Status* status) {
  wire::Status details;
  if (bytes.empty() || !details.ParseFromString(bytes)) return;
  for (const auto& any : details.details()) {
    status->SetPayload(any.type_url(), absl::Cord(any.value()));
  }
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // Both enumerations are the canonical codes with the same numbers.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), CutText(Message(status)),
                      Details(status));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result =
      MakeStatus(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  TakeDetails(status.error_details(), &result);
  return result;
}

void SetRetryAfter(absl::Status* status, absl::Duration delay) {
  wire::RetryInfo info;
  const int64_t nanos = absl::ToInt64Nanoseconds(delay);
  info.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  status->SetPayload(kRetryInfoUrl, absl::Cord(info.SerializeAsString()));
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryInfoUrl);
  wire::RetryInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return std::nullopt;
  return absl::Seconds(info.retry_delay().seconds()) +
         absl::Nanoseconds(info.retry_delay().nanos());
}

}  // namespace penstock::rpc
