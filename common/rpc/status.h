#pragma once
// absl::Status on this side of gRPC, grpc::Status on the other.
#include <grpcpp/support/status.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace penstock::rpc {

// Same code and text. Payloads of the absl::Status travel as google.rpc.Status details (the trailer
// grpc-status-details-bin), so both functions together lose nothing. Texts are cut to 4 KiB (the
// limit for trailers is 8 KiB on many clients) and details left out if they exceed 4 KiB.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// A hint to the client: repeat the call after `delay` (google.rpc.RetryInfo). No effect on OK.
void SetRetryAfter(absl::Status* status, absl::Duration delay);
// Empty if the status carries no such hint.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

}  // namespace penstock::rpc
