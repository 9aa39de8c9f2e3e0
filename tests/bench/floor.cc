#include "tests/bench/floor.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/base/status_macros.h"
#include "common/process/spawn.h"
#include "fmt/format.h"
#include "tests/bench/floor_sql.h"
#include "tests/bench/report.h"

namespace penstock::bench {
namespace {

constexpr int kRunsPerBatch = 100;  // of 10 tasks each

// Runs a PostgreSQL client program against the cluster's server; its output.
absl::StatusOr<std::string> Run(const PgServer& server, std::vector<std::string> argv,
                                absl::Duration length) {
  process::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.env = {"PGHOST=" + server.host, fmt::format("PGPORT={}", server.port), "PGUSER=penstock",
              "PGDATABASE=penstock", "PGOPTIONS=-c search_path=floor"};
  PENSTOCK_ASSIGN_OR_RETURN(const process::CommandResult result,
                            process::RunCommand(spec, length + absl::Minutes(1)));
  if (result.ok()) return result.output;
  return absl::InternalError(fmt::format("{} failed: {}", spec.argv[0], result.output));
}

absl::Status Write(const std::string& path, std::string_view text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError("cannot write " + path);
}

absl::Status SetUp(const PgServer& server, const std::string& work_dir, std::string_view tables) {
  const std::string path = work_dir + "/floor-setup.sql";
  PENSTOCK_RETURN_IF_ERROR(Write(path, fmt::format("create schema if not exists floor;\n{}\n"
                                                   "checkpoint;\n",
                                                   tables)));
  return Run(server, {"psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", path}, absl::Minutes(1))
      .status();
}

// pgbench takes no less.
std::string WholeSeconds(absl::Duration length) {
  return std::to_string(std::max<int64_t>(1, absl::ToInt64Seconds(length)));
}

absl::StatusOr<double> TransactionsPerSecond(const std::string& output) {
  const size_t at = output.find("tps = ");
  if (at == std::string::npos) return absl::InternalError("pgbench printed no tps: " + output);
  return std::strtod(output.c_str() + at + 6, nullptr);
}

// Microseconds of each transaction, from pgbench's logs, which are removed.
std::vector<double> TakeLog(const std::string& work_dir, const std::string& prefix) {
  // Each line: client, transaction number, microseconds, script, time in two parts, and, where the
  // beginnings are scheduled, how late this one was, which is part of the microseconds.
  std::vector<double> times;
  for (const auto& entry : std::filesystem::directory_iterator(work_dir)) {
    if (!entry.path().string().starts_with(prefix)) continue;
    std::ifstream file(entry.path());
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream words(line);
      double client = 0, number = 0, micros = 0, script = 0, seconds = 0, fraction = 0, late = 0;
      if (!(words >> client >> number >> micros >> script >> seconds >> fraction)) continue;
      words >> late;
      times.push_back(micros - late);
    }
    file.close();
    std::filesystem::remove(entry.path());
  }
  return times;
}

}  // namespace

absl::StatusOr<std::string> Psql(const PgServer& server, const std::string& sql,
                                 absl::Duration at_most) {
  return Run(server, {"psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-c", sql}, at_most);
}

absl::StatusOr<double> MeasureFloor(const PgServer& server, const std::string& work_dir,
                                    absl::Duration length) {
  PENSTOCK_RETURN_IF_ERROR(SetUp(server, work_dir, floor_sql::kSetup));
  const std::string script = work_dir + "/floor-flush.sql";
  PENSTOCK_RETURN_IF_ERROR(Write(script, floor_sql::kFlush));
  PENSTOCK_ASSIGN_OR_RETURN(
      const std::string output,
      Run(server,
          {"pgbench", "-n", "-M", "prepared", "-f", script, "-D", "k=0", "-D",
           fmt::format("m={}", kRunsPerBatch), "-c", "1", "-T", WholeSeconds(length)},
          length));
  PENSTOCK_ASSIGN_OR_RETURN(const double per_second, TransactionsPerSecond(output));
  return per_second * kRunsPerBatch * 10;
}

absl::StatusOr<Commits> MeasureCommits(const PgServer& server, const std::string& work_dir,
                                       int clients, absl::Duration length, absl::Duration pause) {
  PENSTOCK_RETURN_IF_ERROR(SetUp(server, work_dir,
                                 "drop table if exists floor_commit; create table floor_commit("
                                 "id bigint generated always as identity primary key);"));
  const std::string script = work_dir + "/floor-commit.sql";
  PENSTOCK_RETURN_IF_ERROR(Write(script, floor_sql::kCommit));
  const std::string prefix = work_dir + "/floor-commit-log";
  std::vector<std::string> argv = {"pgbench", "-n",
                                   "-M",      "prepared",
                                   "-f",      script,
                                   "-c",      std::to_string(clients),
                                   "-j",      clients > 1 ? "2" : "1",
                                   "-l",      "--log-prefix=" + prefix,
                                   "-T",      WholeSeconds(length)};
  if (pause > absl::ZeroDuration()) {
    argv.push_back(fmt::format("--rate={}", clients / absl::ToDoubleSeconds(pause)));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::string output, Run(server, argv, length));
  const std::vector<double> times = TakeLog(work_dir, prefix);
  if (times.empty()) return absl::InternalError("pgbench logged no transaction");
  PENSTOCK_ASSIGN_OR_RETURN(const double per_second, TransactionsPerSecond(output));
  return Commits{per_second, absl::Microseconds(Quantile(times, 0.5)),
                 absl::Microseconds(Quantile(times, 0.99))};
}

}  // namespace penstock::bench
