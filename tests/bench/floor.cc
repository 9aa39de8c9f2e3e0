#include "tests/bench/floor.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/status_macros.h"
#include "common/process/spawn.h"
#include "fmt/format.h"
#include "tests/bench/floor_sql.h"

namespace penstock::bench {
namespace {

constexpr int kRunsPerBatch = 100;  // of 10 tasks each

// Runs a PostgreSQL client program against the cluster's server; its output.
absl::StatusOr<std::string> Run(const std::string& socket_dir, std::vector<std::string> argv,
                                absl::Duration length) {
  process::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.env = {"PGHOST=" + socket_dir, "PGPORT=5432", "PGUSER=penstock", "PGDATABASE=penstock",
              "PGOPTIONS=-c search_path=floor"};
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

absl::Status SetUp(const std::string& socket_dir, const std::string& work_dir,
                   std::string_view tables) {
  const std::string path = work_dir + "/floor-setup.sql";
  PENSTOCK_RETURN_IF_ERROR(Write(path, fmt::format("create schema if not exists floor;\n{}\n"
                                                   "checkpoint;\n",
                                                   tables)));
  return Run(socket_dir, {"psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", path}, absl::Minutes(1))
      .status();
}

}  // namespace

absl::StatusOr<double> MeasureFloor(const std::string& socket_dir, const std::string& work_dir,
                                    absl::Duration length) {
  PENSTOCK_RETURN_IF_ERROR(SetUp(socket_dir, work_dir, floor_sql::kSetup));
  const std::string script = work_dir + "/floor-flush.sql";
  PENSTOCK_RETURN_IF_ERROR(Write(script, floor_sql::kFlush));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string output,
                            Run(socket_dir,
                                {"pgbench", "-n", "-M", "prepared", "-f", script, "-D", "k=0", "-D",
                                 fmt::format("m={}", kRunsPerBatch), "-c", "1", "-T",
                                 std::to_string(absl::ToInt64Seconds(length))},
                                length));
  const size_t at = output.find("tps = ");
  if (at == std::string::npos) return absl::InternalError("pgbench printed no tps: " + output);
  return std::strtod(output.c_str() + at + 6, nullptr) * kRunsPerBatch * 10;
}

absl::StatusOr<absl::Duration> MeasureCommit(const std::string& socket_dir,
                                             const std::string& work_dir, absl::Duration length) {
  PENSTOCK_RETURN_IF_ERROR(SetUp(socket_dir, work_dir,
                                 "drop table if exists floor_commit; create table floor_commit("
                                 "id bigint generated always as identity primary key);"));
  const std::string script = work_dir + "/floor-commit.sql";
  PENSTOCK_RETURN_IF_ERROR(Write(script, floor_sql::kCommit));
  const std::string prefix = work_dir + "/floor-commit-log";
  PENSTOCK_RETURN_IF_ERROR(
      Run(socket_dir,
          {"pgbench", "-n", "-M", "prepared", "-f", script, "-c", "1", "-l",
           "--log-prefix=" + prefix, "-T", std::to_string(absl::ToInt64Seconds(length))},
          length)
          .status());
  // Each line: client, transaction number, microseconds, script, time in two parts.
  std::vector<int64_t> times;
  for (const auto& entry : std::filesystem::directory_iterator(work_dir)) {
    if (!entry.path().string().starts_with(prefix)) continue;
    std::ifstream file(entry.path());
    int64_t client = 0, number = 0, micros = 0;
    std::string rest;
    while (file >> client >> number >> micros && std::getline(file, rest)) times.push_back(micros);
    file.close();
    std::filesystem::remove(entry.path());
  }
  if (times.empty()) return absl::InternalError("pgbench logged no transaction");
  std::nth_element(times.begin(), times.begin() + std::ssize(times) / 2, times.end());
  return absl::Microseconds(times[times.size() / 2]);
}

}  // namespace penstock::bench
