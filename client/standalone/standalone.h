#pragma once
// `penstock standalone`: a whole cluster on one machine below one directory: a private PostgreSQL,
// schedulers and workers as the real, separate binaries, and this process as their supervisor.
// Everything listens on loopback only.
//
// Files below the data directory:
//   standalone.json   addresses, ports and processes (state_file.h); there while the cluster is up
//   standalone.lock   held by the supervisor; a second start is refused
//   postgres/         the database (common/pgserver)
//   task-logs/ work/  the tasks' logs and working directories
//   logs/             what the processes write; run/ the connection string and the like
#include <filesystem>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace penstock::client {

struct StandaloneOptions {
  std::filesystem::path data_dir;
  int schedulers = 1;  // 1 to 10
  int workers = 1;     // 0 to 100
  int slots = 0;       // of each worker, at most 10,000; 0 = twice the number of cores
  // Of the first scheduler; the next ones follow. HTTP is 80 further (workers: 90). 0 = any free.
  int port = 7400;
  bool detach = false;
  // How long a stop lets running tasks go on before the workers stop them.
  absl::Duration drain_grace = absl::Seconds(10);
  absl::Duration start_timeout = absl::Minutes(2);  // for each step of the start
  std::string log_format = "text";                  // or "json"
  std::filesystem::path bin_dir;     // of penstock-scheduler and -worker; empty = this program's
  std::filesystem::path pg_bin_dir;  // of PostgreSQL; empty = search
  bool durable = true;               // false, for tests only: PostgreSQL does not fsync
};

// INVALID_ARGUMENT naming the flag that is out of range.
absl::Status Validate(const StandaloneOptions& options);

// Runs the cluster until SIGINT, SIGTERM or SIGHUP (a second one skips all waiting), or with
// `detach` returns as soon as it is ready and leaves a supervisor behind. Children that die are
// restarted; if this process dies they end with it. Call it from the main thread before any other
// thread exists. Returns the exit code: 0, 1 (failed, one line in `err`), 2 (bad options).
int RunStandalone(const StandaloneOptions& options, std::ostream& out, std::ostream& err);

// Stops the cluster of `options.data_dir` and waits for it; ends what a killed supervisor may have
// left. 0 also when there was nothing to stop.
int StopStandalone(const StandaloneOptions& options, std::ostream& out, std::ostream& err);

}  // namespace penstock::client
