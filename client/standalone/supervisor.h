#pragma once
// Starts, watches and stops the processes of a standalone cluster. Single-threaded.
#include <memory>
#include <string>
#include <vector>

#include "client/standalone/layout.h"
#include "client/standalone/node.h"
#include "client/standalone/ports.h"
#include "client/standalone/postgres_keeper.h"
#include "client/standalone/signal_inbox.h"
#include "client/standalone/standalone.h"
#include "client/standalone/state_file.h"
#include "common/base/clock.h"

namespace penstock::client {

class Supervisor {
 public:
  // Told each step in one line for the user.
  using Say = PostgresKeeper::Say;

  // The caller has locked `layout`. Borrows `signals` and `clock`, which outlive this.
  Supervisor(const StandaloneOptions& options, Layout layout, PortPlan ports, Say say,
             SignalInbox& signals, const Clock& clock);

  // PostgreSQL, then the schedulers, then the workers; each step when the one before is ready.
  // CANCELLED when a signal asked to stop. Call Stop() after an error, too.
  absl::Status Start();
  // Restarts what dies, until a signal asks to stop.
  void Run();
  // Workers (draining), schedulers, PostgreSQL; OK when everything is gone. A further signal skips
  // the waiting. May come after any part of Start(), and twice.
  absl::Status Stop();

 private:
  using Nodes = std::vector<std::unique_ptr<Node>>;
  absl::Status StartPostgres();
  absl::Status StartNodes(const Nodes& nodes);
  absl::Status WaitReady(const Nodes& nodes);
  absl::Status CheckStart(const Nodes& nodes);
  // True when some node is down.
  bool ReviveNodes(const Nodes& nodes);
  void StopNodes(const Nodes& nodes, absl::Duration grace);
  bool WaitEnded(const Nodes& nodes, absl::Duration patience);
  bool Hurried() const { return signals_.stop_requests() > 1; }
  ClusterState Describe() const;
  void Record();
  void Write(const std::filesystem::path& file, const std::string& text, std::string* last);

  const StandaloneOptions options_;
  const Layout layout_;
  const Say say_;
  const std::string started_at_;
  SignalInbox& signals_;
  const Clock& clock_;
  PostgresKeeper postgres_;
  const Nodes schedulers_;
  const Nodes workers_;
  bool ready_ = false;                               // standalone.json is kept up to date
  std::string recorded_processes_, recorded_state_;  // what was last written
};

}  // namespace penstock::client
