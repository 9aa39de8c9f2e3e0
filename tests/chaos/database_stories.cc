// PostgreSQL that is reached, but does not serve: sessions that end in the middle of a COMMIT, a
// full disk, no connection left.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/process/spawn.h"
#include "fmt/format.h"
#include "tests/chaos/stage.h"

namespace penstock::chaos {
namespace {

// How often `text` stands in the schedulers' logs.
int CountInLogs(const Stage& stage, const std::string& text) {
  int count = 0;
  for (size_t i = 1; i <= stage.fleet->schedulers().size(); ++i) {
    std::stringstream log;
    log << std::ifstream(stage.fleet->SchedulerLog(i)).rdbuf();
    const std::string all = log.str();
    for (size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++count;
  }
  return count;
}

// Writes a file until there is no room left.
void FillUp(const std::string& path) {
  std::ofstream file(path);
  for (const size_t size : {size_t{1} << 20, size_t{4096}}) {
    const std::string block(size, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(size)).flush()) {
    }
    file.clear();
  }
}

// A session of psql that is to run these statements one after the other. `dsn`: what is added to
// the database's.
Node Psql(Fleet& fleet, const std::string& dsn, const std::vector<std::string>& statements) {
  process::ProcessSpec spec;
  spec.argv = {fleet.postgres().bin_dir() / "psql", "-XAtq", "-d",
               fleet.postgres().Dsn("penstock") + " " + dsn};
  for (const std::string& statement : statements) {
    spec.argv.insert(spec.argv.end(), {"-c", statement});
  }
  return Node(std::move(spec));
}

// Client sessions that do nothing but exist.
std::vector<Node> Occupy(Fleet& fleet, int count) {
  std::vector<Node> sessions;
  sessions.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    (void)sessions.emplace_back(Psql(fleet, "user=other", {"select pg_sleep(600)"})).Start();
  }
  return sessions;
}

// Waits until the scheduler's log says so; the seconds that it took.
absl::StatusOr<double> UntilLogged(const Stage& stage, const std::string& text, int times) {
  const SteadyTime begin = RealClock().Steady();
  while (CountInLogs(stage, text) < times) {
    if (RealClock().Steady() - begin > absl::Seconds(30)) {
      return absl::DeadlineExceededError("no scheduler has logged: " + text);
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
  return absl::ToDoubleSeconds(RealClock().Steady() - begin);
}

}  // namespace

// With a standby that is slow to confirm, sessions are nearly always found waiting inside their
// COMMIT, which has happened although its client is never told.
absl::StatusOr<bool> KillInCommit(Stage& stage) {
  stage.fleet->standby().Feed("delay 20");
  const auto load = stage.StartLoad();
  int ended = 0;
  const SteadyTime until = RealClock().Steady() + absl::Seconds(12);
  while (RealClock().Steady() < until) {
    absl::SleepFor(absl::Milliseconds(200));
    int struck = 0;
    if (absl::SimpleAtoi(
            stage.fleet->Query("select count(pg_terminate_backend(pid)) from pg_stat_activity"
                               " where wait_event = 'SyncRep'"),
            &struck)) {
      ended += struck;
    }
  }
  std::vector<std::string> violations;
  const int unknown = CountInLogs(stage, "flush not committed");
  std::printf("sessions ended in their COMMIT %d, flushes whose outcome was unknown %d\n", ended,
              unknown);
  if (ended < 10 || unknown == 0) violations.emplace_back("too few sessions were hit to tell");
  return Conclude(stage, *load, std::move(violations));
}

absl::StatusOr<bool> DiskFull(Stage& stage) {
  const auto load = stage.StartLoad();
  absl::SleepFor(absl::Seconds(3));
  pgserver::PrivateServer& postgres = stage.fleet->postgres();
  const std::string ballast = postgres.placement().root / "ballast";
  FillUp(ballast);
  // The log needs a new file soon, and so do tables that grow.
  for (int i = 0; i < 3; ++i) stage.fleet->Query("select pg_switch_wal()");
  absl::SleepFor(absl::Seconds(6));
  const bool died = postgres.Poll() != pgserver::ServerState::kRunning;
  const int failed = CountInLogs(stage, "flush not committed") + CountInLogs(stage, "beat failed");
  std::filesystem::remove(ballast);
  if (died) PENSTOCK_RETURN_IF_ERROR(postgres.Restart());
  absl::SleepFor(absl::Seconds(4));
  std::vector<std::string> violations;
  std::printf("PostgreSQL %s; flushes and beats that failed: %d\n",
              died ? "gave up, and was started when there was room again" : "went on", failed);
  if (failed == 0) violations.emplace_back("the disk was never full");
  return Conclude(stage, *load, std::move(violations));
}

// A reader keeps its locks on the tables and an old version of every row, while runs come and go.
absl::StatusOr<bool> IdleTransaction(Stage& stage) {
  Fleet& fleet = *stage.fleet;
  const auto load = stage.StartLoad();
  absl::SleepFor(absl::Seconds(3));
  Node reader = Psql(fleet, "application_name=reader",
                     {"begin isolation level repeatable read",
                      "select count(*) from penstock.run, penstock.task_instance where false",
                      "select pg_sleep(600)"});
  PENSTOCK_RETURN_IF_ERROR(reader.Start());
  absl::SleepFor(absl::Seconds(20));
  const std::string locks = fleet.Query(
      "select count(*) from pg_locks l join pg_stat_activity a using (pid) where "
      "a.application_name = 'reader' and l.locktype = 'relation'");
  std::printf("the reader held %s locks on tables for 20 s\n", locks.c_str());
  fleet.Query(
      "select pg_terminate_backend(pid) from pg_stat_activity"
      " where application_name = 'reader'");
  reader.Kill();
  std::vector<std::string> violations;
  int64_t held = 0;
  if (!absl::SimpleAtoi(locks, &held) || held < 2) violations.emplace_back("nothing was held");
  return Conclude(stage, *load, std::move(violations));
}

absl::StatusOr<bool> NoConnections(Stage& stage) {
  constexpr const char* kWaits = "the database does not answer yet";
  constexpr const char* kStarted = "scheduler started";
  Fleet& fleet = *stage.fleet;
  const auto load = stage.StartLoad();
  absl::SleepFor(absl::Seconds(2));
  const std::string owner =
      fleet.Query("select name from penstock.scheduler s join penstock.domain d on d.owner = s.id");
  Node& idle = fleet.schedulers()[owner == "scheduler-1" ? 1 : 0];
  idle.Kill();
  std::vector<Node> others = Occupy(fleet, fleet.options().max_connections);
  absl::SleepFor(absl::Seconds(2));
  PENSTOCK_RETURN_IF_ERROR(idle.Start());
  PENSTOCK_RETURN_IF_ERROR(UntilLogged(stage, kWaits, 1).status());
  absl::SleepFor(absl::Seconds(3));
  // The server notices only then that a client is gone.
  fleet.Query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'other'");
  for (Node& session : others) session.Kill();
  const int before = static_cast<int>(fleet.schedulers().size());
  PENSTOCK_ASSIGN_OR_RETURN(const double started, UntilLogged(stage, kStarted, before + 1));
  std::printf("a scheduler that found no connection started %.1f s after one was free\n", started);
  // Now the role itself may not connect any more, and everybody has to.
  fleet.Query(fmt::format("alter role {} connection limit 0", fleet.role()));
  fleet.Query(fmt::format(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{}'", fleet.role()));
  absl::SleepFor(absl::Seconds(4));
  const int refused = CountInLogs(stage, "too many connections for role");
  fleet.Query(fmt::format("alter role {} connection limit -1", fleet.role()));
  absl::SleepFor(absl::Seconds(4));
  std::vector<std::string> violations;
  if (refused == 0) violations.emplace_back("nobody was refused for the role's limit");
  return Conclude(stage, *load, std::move(violations));
}

}  // namespace penstock::chaos
