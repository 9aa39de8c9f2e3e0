#pragma once
// A gRPC server with the settings every Penstock process uses.
#include <grpcpp/server.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace penstock::rpc {

struct ServerOptions {
  // "127.0.0.1:7070", "[::1]:0" (port 0 = the system picks one) or "unix:/path". Anything but
  // loopback is refused. At least one.
  std::vector<std::string> addresses;
  int max_message_bytes = 16 << 20;  // received and sent
  // A silent connection is pinged after `keepalive_interval` and dropped when no answer comes
  // within `keepalive_timeout`.
  absl::Duration keepalive_interval = absl::Seconds(5);
  absl::Duration keepalive_timeout = absl::Seconds(5);
};

// Serves health (grpc.health.v1, NOT_SERVING until SetServing(true)) and reflection besides the
// given services. Thread-safe.
class Server {
 public:
  // `services` are not owned and outlive the server. Errors: INVALID_ARGUMENT for an address that
  // is malformed or not loopback, UNAVAILABLE naming the address that cannot be bound.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services);
  ~Server();  // Shutdown(0)

  // The addresses with real ports, in the order of the options.
  const std::vector<std::string>& addresses() const { return addresses_; }
  // What health answers for "" (the whole server).
  void SetServing(bool serving);
  // Takes no new calls, cancels what is open after `deadline`, returns when all calls have ended:
  // so every call must end on its own when it is cancelled. May come twice.
  void Shutdown(absl::Duration deadline);

 private:
  Server(std::unique_ptr<grpc::Server> server, std::vector<std::string> addresses);

  const std::vector<std::string> addresses_;
  const std::unique_ptr<grpc::Server> server_;
};

}  // namespace penstock::rpc
