#include "tests/chaos/standby.h"

#include <csignal>
#include <functional>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/process/pid_identity.h"
#include "common/process/process_tree.h"
#include "common/process/spawn.h"
#include "fmt/format.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);

absl::Status WaitFor(std::string_view what, const std::function<bool()>& done) {
  const SteadyTime deadline = RealClock().Steady() + kPatience;
  while (!done()) {
    if (RealClock().Steady() > deadline) {
      return absl::DeadlineExceededError(fmt::format("{} takes too long", what));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return absl::OkStatus();
}

absl::Status Run(std::vector<std::string> argv, const pgserver::Placement& placement) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto result,
      process::RunCommand(pgserver::ServerProgram(std::move(argv), placement.user), kPatience));
  return result.ok() ? absl::OkStatus() : absl::InternalError(result.output);
}

// A copy of the primary that will follow it through `port`.
absl::Status Copy(const pgserver::PrivateServer& primary, const std::string& dir, int port) {
  PENSTOCK_ASSIGN_OR_RETURN(const pgserver::Placement to, pgserver::Place(dir, dir));
  PENSTOCK_RETURN_IF_ERROR(Run({primary.bin_dir() / "pg_basebackup", "-h", primary.socket_dir(),
                                "-U", "penstock", "-c", "fast", "-D", to.data_dir},
                               to));
  return Run({"/bin/sh", "-c",
              fmt::format("cd '{}' && touch standby.signal && echo \"primary_conninfo = "
                          "'host=127.0.0.1 port={} user=penstock application_name=standby'\" "
                          ">custom.conf",
                          to.data_dir.string(), port)},
             to);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Standby>> Standby::Start(pgserver::PrivateServer& primary,
                                                        const std::string& dir, bool synchronous) {
  std::unique_ptr<Standby> standby(new Standby());
  PENSTOCK_ASSIGN_OR_RETURN(
      standby->feed_, RunningProxy::Start({primary.socket_dir() + "/.s.PGSQL.5432", 0, true}));
  PENSTOCK_RETURN_IF_ERROR(Copy(primary, dir, standby->feed_->port()));
  pgserver::PrivateServerOptions options;
  options.dir = dir;
  options.stop_with_parent = true;
  PENSTOCK_ASSIGN_OR_RETURN(standby->server_, pgserver::PrivateServer::Start(options));
  if (synchronous) {
    const auto told =
        RunSql(primary, "postgres", "alter system set synchronous_standby_names = 'standby'");
    PENSTOCK_RETURN_IF_ERROR(told.status());
    PENSTOCK_RETURN_IF_ERROR(RunSql(primary, "postgres", "select pg_reload_conf()").status());
  }
  const std::string state = fmt::format(
      "select count(*) from pg_stat_replication where state = 'streaming' and sync_state = '{}'",
      synchronous ? "sync" : "async");
  PENSTOCK_RETURN_IF_ERROR(WaitFor("following the primary", [&] {
    return RunSql(primary, "postgres", state).value_or("") == "1";
  }));
  return standby;
}

absl::Status Standby::Promote() {
  const absl::StatusOr<std::string> done = RunSql(*server_, "postgres", "select pg_promote()");
  if (!done.ok()) return done.status();
  if (*done != "t") return absl::InternalError("pg_promote: " + *done);
  return absl::OkStatus();
}

absl::Status KillServer(pgserver::PrivateServer& server) {
  const auto children = process::Descendants(server.pid(), /*spared=*/{}, process::ListProcesses());
  process::SendSignal(*process::Identify(server.pid()), SIGKILL);
  for (const auto& child : children) kill(child.pid, SIGKILL);
  return WaitFor("the end of a killed server", [&] {
    bool gone = server.Poll() != pgserver::ServerState::kRunning;  // reaps it
    for (const auto& child : children) {
      const auto now = process::ReadProcessStat(child.pid);
      gone = gone && (!now || !now->alive() || now->start_ticks != child.start_ticks);
    }
    return gone;
  });
}

absl::StatusOr<std::string> RunSql(const pgserver::PrivateServer& server, const std::string& dbname,
                                   const std::string& sql) {
  process::ProcessSpec spec;
  spec.argv = {server.bin_dir() / "psql", "-XAtq", "-d", server.Dsn(dbname), "-c", sql};
  PENSTOCK_ASSIGN_OR_RETURN(const auto result, process::RunCommand(spec, kPatience));
  std::string text = result.output;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (!result.ok()) return absl::InternalError(text);
  return text;
}

}  // namespace penstock::chaos
