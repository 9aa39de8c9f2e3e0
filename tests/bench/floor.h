#pragma once
// The floor: what the same durable task lives cost in PostgreSQL alone (floor/README.md), on the
// server of a running cluster.
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace penstock::bench {

// Tasks per second of one writer in batches of 1000, over `length`, in tables made anew in the
// schema `floor`. `work_dir` takes the scripts. Blocks; needs pgbench and psql.
absl::StatusOr<double> MeasureFloor(const std::string& socket_dir, const std::string& work_dir,
                                    absl::Duration length);

// Transactions of one small insert each, by `clients` connections at once, one after the other on
// each.
struct Commits {
  double per_second = 0;
  absl::Duration p50, p99;
};
absl::StatusOr<Commits> MeasureCommits(const std::string& socket_dir, const std::string& work_dir,
                                       int clients, absl::Duration length);

}  // namespace penstock::bench
