#pragma once
// What the stories play on: a fleet, a client, and the file to which the tasks write.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/client.h"
#include "tests/chaos/fleet.h"
#include "tests/chaos/truth.h"
#include "tests/chaos/workload.h"

namespace penstock::chaos {

struct Stage {
  std::unique_ptr<Fleet> fleet;
  std::unique_ptr<client::Client> client;
  std::string truth_file;

  // Submits runs from a thread of its own until it is stopped, to the scheduler `first` as long as
  // that one answers.
  std::unique_ptr<Load> StartLoad(size_t first = 0) const;
  // Runs acknowledged within `length`.
  std::vector<int64_t> LoadFor(absl::Duration length) const;
  // Waits until every run has ended; how long that took.
  absl::StatusOr<absl::Duration> AllEnd() const;
  // What the tasks wrote of `runs`, which have ended, held against the rules and Penstock's word.
  Verdict JudgeRuns(const std::vector<int64_t>& runs) const;
  std::string Incarnation() const;
};

// Prints what does not hold; whether all did.
bool Tell(const std::vector<std::string>& violations);

// The end of stories that disturb no task: ends the load, says what was measured, and whether
// nothing was lost or repeated, no gap between two starts was longer, and `violations` is empty.
absl::StatusOr<bool> Conclude(const Stage& stage, Load& load, std::vector<std::string> violations,
                              double gap_seconds = 60);

struct Story {
  // True when all was as it must be; says what it measured.
  std::function<absl::StatusOr<bool>(Stage&)> play;
  FleetOptions fleet = {};  // but for the directories
  int slow_tenths = 15;     // of a second, that the workload's slow task takes
};

// failover_stories.cc. The primary is killed and a standby promoted; the standby was synchronous,
// or asynchronous and has missed the last commits.
absl::StatusOr<bool> FailOver(Stage& stage);
absl::StatusOr<bool> FailOverWithLoss(Stage& stage);
// database_stories.cc. Sessions end while they wait for the answer to their COMMIT; PostgreSQL's
// disk is full; others hold all connections, then the schedulers' role may have none; somebody's
// transaction stays open.
absl::StatusOr<bool> KillInCommit(Stage& stage);
absl::StatusOr<bool> DiskFull(Stage& stage);
absl::StatusOr<bool> NoConnections(Stage& stage);
absl::StatusOr<bool> IdleTransaction(Stage& stage);
// worker_stories.cc. Nothing passes this way between workers and schedulers for twice the workers'
// lease; a worker dies together with its guardian and its tasks; all of them stand still for longer
// than the lease; tasks take all processors.
absl::StatusOr<bool> CutWorkers(Stage& stage, Way way);
// What these have in common: `cut` keeps some workers from the schedulers until the fleet is
// healed.
absl::StatusOr<bool> CutOff(Stage& stage, const std::function<absl::Status(Fleet&)>& cut);
absl::StatusOr<bool> LoseNode(Stage& stage);
absl::StatusOr<bool> Suspend(Stage& stage);
absl::StatusOr<bool> BusyTasks(Stage& stage);
// network_stories.cc. All on machines of their own (Fleet::machines()). The owner or a worker
// loses its link for longer than the leases, the database for less; the owner and the database lose
// what they send each other, while workers reach the owner.
absl::StatusOr<bool> UnplugOwner(Stage& stage);
absl::StatusOr<bool> UnplugDatabase(Stage& stage);
absl::StatusOr<bool> UnplugWorker(Stage& stage);
absl::StatusOr<bool> LoseOwnersStatements(Stage& stage);
// Of a database that began a new life: what holds for the runs `before` and `after`, and that the
// acknowledged runs `lost` are gone and named again by nobody.
Verdict JudgeNewLife(const Stage& stage, const std::string& incarnation_before,
                     const std::vector<int64_t>& before, const std::vector<int64_t>& lost,
                     const std::vector<int64_t>& after);

}  // namespace penstock::chaos
