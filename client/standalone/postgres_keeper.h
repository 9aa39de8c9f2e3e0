#pragma once
// Supervision of the private PostgreSQL.
#include <functional>
#include <memory>
#include <string>

#include "client/standalone/node.h"
#include "common/base/clock.h"
#include "common/pgserver/private_server.h"

namespace penstock::client {

// The private PostgreSQL, kept running. A server that crashed is started again at once; one that
// somebody stopped in an orderly way (pg_ctl stop) has 30 s to come back by itself. Not
// thread-safe.
class PostgresKeeper {
 public:
  using Say = std::function<void(const std::string&)>;
  PostgresKeeper(Say say, const Clock& clock);
  absl::Status Start(const pgserver::PrivateServerOptions& options);
  // To be called now and then. True while the server runs.
  bool Check();
  absl::Status Stop();
  // Null before Start() succeeded.
  pgserver::PrivateServer* server() const { return server_.get(); }

 private:
  bool Revive();
  void NoteLoss(bool crashed);

  const Say say_;
  const Clock& clock_;
  RestartPolicy policy_;
  std::unique_ptr<pgserver::PrivateServer> server_;
  bool lost_ = false;
  SteadyTime restart_at_;
};

}  // namespace penstock::client
