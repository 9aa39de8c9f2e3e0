#pragma once
// Client channels that notice a dead peer and reconnect within moments.
#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace penstock::rpc {

struct ChannelOptions {
  int max_message_bytes = 16 << 20;  // received and sent
  // Pause between attempts to connect: from `backoff_initial`, growing, at most `backoff_max`, with
  // gRPC's own jitter.
  absl::Duration backoff_initial = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(2);
  absl::Duration connect_timeout = absl::Seconds(2);
  absl::Duration keepalive_interval = absl::Seconds(5);
  absl::Duration keepalive_timeout = absl::Seconds(5);
};

// A channel of its own to "host:port" or "unix:/path": shares no connection and no back-off with
// other channels, and uses no proxy. Connects when first used.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const ChannelOptions& options);

// One channel per address. Thread-safe. Must outlive the calls on its channels.
class ChannelCache {
 public:
  explicit ChannelCache(const ChannelOptions& options) : options_(options) {}
  std::shared_ptr<grpc::Channel> Get(std::string_view address) ABSL_LOCKS_EXCLUDED(mu_);
  // The next Get makes a new channel. The old one goes once no call uses it, never on a gRPC thread
  // (see OpenStream in stream.h): at a later Get or Forget, or with the cache.
  void Forget(std::string_view address) ABSL_LOCKS_EXCLUDED(mu_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  // Forgotten channels that are still in use, as of the last Get or Forget.
  size_t retired() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Channels = std::vector<std::shared_ptr<grpc::Channel>>;
  Channels TakeUnused() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const ChannelOptions options_;
  mutable Mutex mu_;
  // Shared with the stubs, as gRPC's interface wants it.
  absl::flat_hash_map<std::string, std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mu_);
  Channels retired_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::rpc
