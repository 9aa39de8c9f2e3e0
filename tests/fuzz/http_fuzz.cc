// Any bytes on a connection to the HTTP endpoint get an answer or are dropped; only well-formed
// requests for the exact path reach the handler.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/http/endpoint.h"

namespace penstock::http {
namespace {

constexpr size_t kMaxBody = 4096;

Response Answer(const Request& request) {
  PENSTOCK_CHECK(request.path == "/p.q", "no other path");
  PENSTOCK_CHECK(request.method == "GET" || request.method == "HEAD" || request.method == "POST",
                 "no other method");
  PENSTOCK_CHECK(request.body.size() <= kMaxBody, "a bounded body");
  std::string body;
  for (const auto& [key, value] : request.query) body += key + "=" + value + "\n";
  return {200, "text/plain", body};
}

Endpoint::Options Settings() {
  Endpoint::Options options;
  options.io_timeout_seconds = 1;
  options.max_body_bytes = kMaxBody;
  return options;
}

class Target {
 public:
  Target() : endpoint_(Settings()) {
    endpoint_.Handle("GET", "/p.q", Answer);
    endpoint_.Handle("POST", "/p.q", Answer);
    PENSTOCK_CHECK(endpoint_.Start().ok(), "a loopback port is free");
    const std::string& address = endpoint_.address();
    to_.sin_family = AF_INET;
    to_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to_.sin_port = htons(static_cast<uint16_t>(std::atoi(&address[address.rfind(':') + 1])));
  }

  // The answer to a connection that says `bytes` and no more.
  std::string Ask(std::string_view bytes) const {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const linger none = {1, 0};  // leaves no port behind that waits
    const timeval patience = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    std::string answer;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to_), sizeof(to_)) == 0) {
      (void)send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      shutdown(fd, SHUT_WR);
      char buffer[4096];
      ssize_t got = 0;
      while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
        answer.append(buffer, static_cast<size_t>(got));
      }
      PENSTOCK_CHECK(got == 0 || errno != EAGAIN, "nobody waits for more");
    }
    close(fd);
    return answer;
  }

 private:
  Endpoint endpoint_;
  sockaddr_in to_ = {};
};

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* target = new penstock::http::Target;  // lives as long as the process
  const std::string answer =
      target->Ask(std::string_view(reinterpret_cast<const char*>(data), size));
  PENSTOCK_CHECK(answer.empty() || answer.rfind("HTTP/1.1 ", 0) == 0, "an answer is HTTP");
  return 0;
}
