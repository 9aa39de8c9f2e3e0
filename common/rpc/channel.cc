#include "common/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/rpc/lock_checks.h"
#include "common/rpc/transport.h"

namespace penstock::rpc {
namespace {

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const ChannelOptions& options) {
  StopLockOrderChecks();
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(options.max_message_bytes);
  args.SetMaxSendMessageSize(options.max_message_bytes);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, Millis(options.backoff_initial));
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, Millis(options.backoff_max));
  // gRPC's name misleads: this is how long one attempt to connect may take.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Millis(options.connect_timeout));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_interval));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // What nobody here uses and every call would pay for. Calls are repeated by those who know
  // whether that is right (client/lib, worker/session).
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  args.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  args.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), args);
}

std::shared_ptr<grpc::Channel> ChannelCache::Get(std::string_view address) {
  Channels unused;  // destroyed after the lock is released: that may take a moment
  MutexLock lock(&mu_);
  unused = TakeUnused();
  std::shared_ptr<grpc::Channel>& channel = channels_[std::string(address)];
  if (channel == nullptr) channel = MakeChannel(std::string(address), options_);
  return channel;
}

void ChannelCache::Forget(std::string_view address) {
  Channels unused;
  MutexLock lock(&mu_);
  const auto it = channels_.find(std::string(address));
  if (it != channels_.end()) {
    retired_.push_back(std::move(it->second));
    channels_.erase(it);
  }
  unused = TakeUnused();
}

// Nobody can begin to use a channel that only this list holds.
ChannelCache::Channels ChannelCache::TakeUnused() {
  const auto first = std::partition(retired_.begin(), retired_.end(),
                                    [](const auto& channel) { return channel.use_count() > 1; });
  Channels unused(std::make_move_iterator(first), std::make_move_iterator(retired_.end()));
  retired_.erase(first, retired_.end());
  return unused;
}

size_t ChannelCache::size() const {
  MutexLock lock(&mu_);
  return channels_.size();
}

size_t ChannelCache::retired() const {
  MutexLock lock(&mu_);
  return retired_.size();
}

}  // namespace penstock::rpc
