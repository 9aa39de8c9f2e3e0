#include "common/rpc/server.h"

#include <fmt/core.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/rpc/lock_checks.h"
#include "common/rpc/transport.h"
#include "common/service/loopback.h"

namespace penstock::rpc {
namespace {

using service::ListenAddress;

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

absl::StatusOr<std::vector<ListenAddress>> ParseAll(const std::vector<std::string>& texts) {
  if (texts.empty()) {
    return MakeStatus(absl::StatusCode::kInvalidArgument, "a server needs a listen address");
  }
  std::vector<ListenAddress> result;
  for (const std::string& text : texts) {
    PENSTOCK_ASSIGN_OR_RETURN(result.emplace_back(), service::ParseLoopbackAddress(text));
  }
  return result;
}

void ConfigureTransport(const ServerOptions& options, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(options.max_message_bytes);
  builder->SetMaxSendMessageSize(options.max_message_bytes);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_interval));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);  // of answers
  // Without this a second server on the same port would silently take half of the connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

absl::Status CannotListen(const std::vector<ListenAddress>& addresses,
                          const std::vector<int>& ports) {
  std::string names;
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (ports[i] != 0) continue;
    names += (names.empty() ? "" : ", ") + service::FormatAddress(addresses[i]);
  }
  return MakeStatus(absl::StatusCode::kUnavailable,
                    fmt::format("cannot listen on {}: the address is in use or not permitted",
                                names.empty() ? "the given addresses" : names));
}

std::vector<std::string> WithPorts(std::vector<ListenAddress> addresses,
                                   const std::vector<int>& ports) {
  std::vector<std::string> result;
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (!addresses[i].unix_socket) addresses[i].port = ports[i];
    result.push_back(service::FormatAddress(addresses[i]));
  }
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<ListenAddress> addresses,
                            ParseAll(options.addresses));
  StopLockOrderChecks();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  ConfigureTransport(options, &builder);
  std::vector<int> ports(addresses.size(), 0);
  for (size_t i = 0; i < addresses.size(); ++i) {
    builder.AddListeningPort(service::FormatAddress(addresses[i]),
                             grpc::InsecureServerCredentials(), &ports[i]);
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return CannotListen(addresses, ports);
  std::unique_ptr<Server> result(new Server(std::move(server), WithPorts(addresses, ports)));
  result->SetServing(false);
  return result;
}

Server::Server(std::unique_ptr<grpc::Server> server, std::vector<std::string> addresses)
    : addresses_(std::move(addresses)), server_(std::move(server)) {}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

void Server::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void Server::Shutdown(absl::Duration deadline) {
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
}

}  // namespace penstock::rpc
