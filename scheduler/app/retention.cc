#include "scheduler/app/retention.h"

#include <utility>

#include "common/obs/log.h"

namespace penstock::app {

Retention::Retention(const Options& options, store::Maintenance& maintenance, RunExists run_exists,
                     logstore::LogStore& logs)
    : options_(options),
      maintenance_(maintenance),
      run_exists_(std::move(run_exists)),
      logs_(logs),
      loop_("retention", options.interval, [this] { RunOnce(); }) {}

void Retention::Stop() {
  stopping_ = true;
  loop_.Stop();
}

void Retention::RunOnce() {
  const auto partitions = maintenance_.EnsurePartitions();
  if (!partitions.ok()) obs::Warning("partitions not made", {{"error", partitions.status()}});
  if (options_.keep == absl::ZeroDuration()) return;
  DeleteOldRuns();
  if (++rounds_ % options_.rounds_per_sweep == 0) SweepLogs();
}

void Retention::DeleteOldRuns() {
  for (int i = 0; i < options_.most_batches && !stopping_; ++i) {
    const auto report = maintenance_.Retain(absl::ToInt64Seconds(options_.keep), options_.batch);
    if (!report.ok()) {
      obs::Warning("old runs not deleted", {{"error", report.status()}});
      return;
    }
    if (report->runs_deleted > 0 || report->partitions_dropped > 0) {
      obs::Info("deleted old runs",
                {{"runs", report->runs_deleted}, {"partitions", report->partitions_dropped}});
    }
    for (RunId run : report->last_runs) {
      const absl::Status deleted = logs_.DeleteRun(run);
      if (!deleted.ok()) obs::Warning("logs not deleted", {{"run", run}, {"error", deleted}});
    }
    if (report->runs_deleted < options_.batch) return;
  }
}

void Retention::SweepLogs() {
  const auto runs = logs_.Runs();
  if (!runs.ok()) {
    obs::Warning("logs not swept", {{"error", runs.status()}});
    return;
  }
  int lookups = 0;
  for (RunId run : *runs) {
    if (stopping_ || ++lookups > options_.most_lookups) return;
    // A run's row is there before its first attempt starts, so a log without a run is old.
    const absl::StatusOr<bool> exists = run_exists_(run);
    if (exists.ok() && !*exists) (void)logs_.DeleteRun(run);
  }
}

}  // namespace penstock::app
