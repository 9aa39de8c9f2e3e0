#include "client/standalone/http_probe.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <string>

#include "common/process/unique_fd.h"

namespace penstock::client {
namespace {

// "HTTP/1.1 200" and no more is needed.
constexpr size_t kStatusBytes = 12;

void SetTimeouts(int fd, absl::Duration timeout) {
  const timeval limit = absl::ToTimeval(timeout);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

bool Connect(int fd, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace

bool HttpOk(int port, std::string_view path, absl::Duration timeout) {
  const process::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return false;
  SetTimeouts(fd.get(), timeout);
  if (!Connect(fd.get(), port)) return false;
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
  char status[kStatusBytes];
  const ssize_t got = recv(fd.get(), status, kStatusBytes, MSG_WAITALL);
  if (got != static_cast<ssize_t>(kStatusBytes)) return false;
  const std::string_view line(status, kStatusBytes);
  return line.starts_with("HTTP/1.") && line.ends_with(" 200");
}

}  // namespace penstock::client
