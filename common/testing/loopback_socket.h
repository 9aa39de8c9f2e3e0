#pragma once
// TCP sockets on 127.0.0.1 for tests that speak or answer by hand.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "common/base/check.h"
#include "common/process/unique_fd.h"

namespace penstock::testing {

inline sockaddr_in LoopbackAddress(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Listens on any free port; LocalPort() tells which.
inline process::UniqueFd ListenOnLoopback() {
  process::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = LoopbackAddress(0);
  PENSTOCK_CHECK(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     listen(fd.get(), SOMAXCONN) == 0,
                 "loopback has free ports");
  return fd;
}

// The port that a socket is bound to.
inline int LocalPort(const process::UniqueFd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  PENSTOCK_CHECK(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0,
                 "a bound socket has a name");
  return ntohs(address.sin_port);
}

// A connection to the port; none when it is refused.
inline process::UniqueFd ConnectToLoopback(int port) {
  process::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = LoopbackAddress(port);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  return fd;
}

}  // namespace penstock::testing
