#pragma once
// Listen addresses. Until transport security exists, Penstock listens on loopback only.
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace penstock::service {

struct ListenAddress {
  std::string host;  // without brackets; for a Unix socket its path
  int port = 0;      // 0..65535; 0 = the system picks one
  bool unix_socket = false;
};

// Reads "host:port", "[v6]:port" or "unix:/path". INVALID_ARGUMENT, saying what is expected, if it
// is malformed or the host is not 127.0.0.0/8, ::1 or localhost.
absl::StatusOr<ListenAddress> ParseLoopbackAddress(std::string_view text);

// The inverse, with brackets where they belong.
std::string FormatAddress(const ListenAddress& address);

}  // namespace penstock::service
