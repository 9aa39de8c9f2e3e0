#pragma once
// A standby of a fleet's PostgreSQL, fed through a fault proxy, and what becomes of the two when
// the primary is lost. Penstock never promotes anything: this does.
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pgserver/private_server.h"
#include "tests/chaos/fault_proxy.h"

namespace penstock::chaos {

// Blocking; one thread at a time, and always the same.
class Standby {
 public:
  // Copies `primary` to `dir` (must not exist) and returns when the copy follows it. `synchronous`:
  // from then on commits of the primary wait for it.
  static absl::StatusOr<std::unique_ptr<Standby>> Start(pgserver::PrivateServer& primary,
                                                        const std::string& dir, bool synchronous);
  // A command to the proxy through which it follows; "refuse": from now on it receives nothing.
  void Feed(std::string_view command) { feed_->Command(command); }
  // Makes it a primary. The old one must be gone.
  absl::Status Promote();
  pgserver::PrivateServer& server() { return *server_; }

 private:
  Standby() = default;
  std::unique_ptr<RunningProxy> feed_;
  std::unique_ptr<pgserver::PrivateServer> server_;
};

// SIGKILL to a server's every process, and waits until they are gone.
absl::Status KillServer(pgserver::PrivateServer& server);

// What psql prints for `sql`, without the last line's end.
absl::StatusOr<std::string> RunSql(const pgserver::PrivateServer& server, const std::string& dbname,
                                   const std::string& sql);

}  // namespace penstock::chaos
