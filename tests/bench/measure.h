#pragma once
// The measurements: each starts its clusters, adds its figures to the report and cleans up.
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/bench/report.h"

namespace penstock::bench {

struct Settings {
  std::string bin_dir;
  std::string work_dir;   // of this process; holds data and scripts
  int rounds = 3;         // floor and shapes take turns so often
  std::string case_text;  // of throughput's shapes and growth's loads those with it in their names
  double scale = 1;       // of the numbers of tasks; figures below 1 are a smoke test only
};

inline bool Wanted(const Settings& settings, const std::string& name) {
  return name.find(settings.case_text) != std::string::npos;
}

// Tasks per second of `noop: {on: worker}` in several shapes, beside the floor on the same server.
absl::Status MeasureThroughput(const Settings& settings, Report* report);
// Processes per second, beside `xargs -P2 -n1 sh -c :`.
absl::Status MeasureShell(const Settings& settings, Report* report);
// Runs of one task submitted by 1 client and by 50, one by one, and in batches, beside single-row
// commits and the floor.
absl::Status MeasureSubmit(const Settings& settings, Report* report);
// From the end of a task to the start of the one that needs it, beside a commit and a round trip.
absl::Status MeasureEdges(const Settings& settings, Report* report);
// Growth of the scheduler per waiting task instance, over a million of them.
absl::Status MeasureMemory(const Settings& settings, Report* report);
// Share of a core that a cluster without work uses, over 60 s.
absl::Status MeasureIdle(const Settings& settings, Report* report);
// From the last task before the kill of a domain's owner to the first after it, with 100,000 leased
// task instances in the domain.
absl::Status MeasureTakeover(const Settings& settings, Report* report);
// How soon the tasks of a run of 100,000 are ready, and what that does to another run's edges.
absl::Status MeasureBigRun(const Settings& settings, Report* report);
// Throughput under a long history, many runs, tasks, workers and domains, and a pinned horizon, of
// that without; and beside the floor, with slow commits and a database far away.
absl::Status MeasureGrowth(const Settings& settings, Report* report);

}  // namespace penstock::bench
