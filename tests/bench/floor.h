#pragma once
// The floor: what the same durable task lives cost in PostgreSQL alone (floor/README.md), on the
// server of a running cluster.
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace penstock::bench {

// The server, as its superuser `penstock` reaches it: a socket's directory, or a host.
struct PgServer {
  PgServer(std::string where, int with_port = 5432)  // NOLINT: a directory says it all
      : host(std::move(where)), port(with_port) {}
  std::string host;
  int port;
};

// Runs statements in the database; psql's output without decoration. An error with the first that
// fails.
absl::StatusOr<std::string> Psql(const PgServer& server, const std::string& sql,
                                 absl::Duration at_most);

// Tasks per second of one writer in batches of 1000, over `length`, in tables made anew in the
// schema `floor`. `work_dir` takes the scripts. Blocks; needs pgbench and psql.
absl::StatusOr<double> MeasureFloor(const PgServer& server, const std::string& work_dir,
                                    absl::Duration length);

// Transactions of one small insert each, by `clients` connections at once, one after the other on
// each; with a `pause`, they begin so long after one another on average, at random moments.
struct Commits {
  double per_second = 0;
  absl::Duration p50, p99;
};
absl::StatusOr<Commits> MeasureCommits(const PgServer& server, const std::string& work_dir,
                                       int clients, absl::Duration length,
                                       absl::Duration pause = absl::ZeroDuration());

}  // namespace penstock::bench
