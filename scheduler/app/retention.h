#pragma once
// The housekeeping duty: partitions ahead of time, finished runs and their logs removed in time.
#include <atomic>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ids.h"
#include "common/logstore/log_store.h"
#include "common/service/periodic.h"
#include "scheduler/store/catalog.h"

namespace penstock::app {

// Every scheduler does it; several at once do no harm.
class Retention {
 public:
  struct Options {
    absl::Duration keep;  // finished runs; 0 = for ever
    absl::Duration interval = absl::Minutes(1);
    int batch = 1000;        // runs deleted in one transaction
    int most_batches = 100;  // in one round
    // Logs of runs that another scheduler deleted are found by looking through the store, once in
    // so many rounds.
    int rounds_per_sweep = 60;
    int most_lookups = 20'000;  // in one sweep
  };
  // Whether a run still has a row. May block.
  using RunExists = std::function<absl::StatusOr<bool>(RunId)>;
  // References outlive it.
  Retention(const Options& options, store::Maintenance& maintenance, RunExists run_exists,
            logstore::LogStore& logs);

  void Start() { loop_.Start(); }
  void Stop();
  // One round: what the own thread does each interval.
  void RunOnce();

 private:
  void DeleteOldRuns();
  void SweepLogs();

  const Options options_;
  store::Maintenance& maintenance_;
  const RunExists run_exists_;
  logstore::LogStore& logs_;
  std::atomic<bool> stopping_{false};
  int rounds_ = 0;  // of the loop's thread
  service::Periodic loop_;
};

}  // namespace penstock::app
