#include "common/service/loopback.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <charconv>
#include <optional>

#include "common/base/status.h"

namespace penstock::service {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

std::optional<int> ParsePort(std::string_view text) {
  int port = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (port < 0 || port > 65535) return std::nullopt;
  return port;
}

std::string WithoutBrackets(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return std::string(bracketed ? host.substr(1, host.size() - 2) : host);
}

absl::Status Malformed(std::string_view text) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("\"{}\" is not a listen address: expected host:port, [v6]:port or "
                                "unix:/path",
                                text));
}

absl::Status NotLoopback(std::string_view text) {
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    fmt::format("refusing to listen on \"{}\": only loopback addresses "
                                "(127.0.0.1, [::1], localhost) and Unix sockets are allowed, "
                                "because connections are not protected yet",
                                text));
}

}  // namespace

absl::StatusOr<ListenAddress> ParseLoopbackAddress(std::string_view text) {
  if (text.starts_with(kUnixPrefix) && text.size() > kUnixPrefix.size()) {
    return ListenAddress{std::string(text.substr(kUnixPrefix.size())), 0, true};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return Malformed(text);
  const std::optional<int> port = ParsePort(text.substr(colon + 1));
  if (!port.has_value()) return Malformed(text);
  ListenAddress address{WithoutBrackets(text.substr(0, colon)), *port, false};
  if (!IsLoopback(address.host)) return NotLoopback(text);
  return address;
}

std::string FormatAddress(const ListenAddress& address) {
  if (address.unix_socket) return fmt::format("{}{}", kUnixPrefix, address.host);
  const bool v6 = address.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", address.host, address.port)
            : fmt::format("{}:{}", address.host, address.port);
}

}  // namespace penstock::service
