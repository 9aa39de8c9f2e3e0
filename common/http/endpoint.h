#pragma once
// A small HTTP/1.1 server for health, metrics and later the JSON API. Loopback only.
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace penstock::http {

struct Request {
  std::string method;                        // "GET", ...
  std::string path;                          // decoded, without the query
  std::map<std::string, std::string> query;  // decoded; of a repeated key the first value
  std::string body;                          // at most Options::max_body_bytes
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Runs on one of the endpoint's own threads, so it may block briefly. Must not throw.
using Handler = std::function<Response(const Request&)>;

// Connections beyond the threads wait; a client that stalls for `io_timeout` seconds is dropped;
// each connection serves one request. Thread-safe but for Handle, which comes before Start.
class Endpoint {
 public:
  struct Options {
    std::string address = "127.0.0.1:0";  // loopback host and port; port 0 = the system picks one
    int threads = 2;
    int io_timeout_seconds = 5;
    size_t max_body_bytes = 1 << 20;
  };

  explicit Endpoint(Options options);
  ~Endpoint();  // Stop()

  // Answers `method` ("GET" also answers HEAD, or "POST") on exactly `path`. Other paths are 404.
  void Handle(const std::string& method, const std::string& path, Handler handler);
  // Errors: INVALID_ARGUMENT for a malformed or non-loopback address, UNAVAILABLE if it is in use.
  absl::Status Start();
  // "127.0.0.1:41234": with the real port, once started.
  const std::string& address() const;
  // Waits for requests under way. May come twice or without Start.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::http
