#pragma once
// The configuration of penstock-scheduler: flags, then environment variables, then defaults.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/lease/terms.h"
#include "common/obs/log.h"

namespace penstock::app {

struct Config {
  // Where the connection string for PostgreSQL comes from: a file, or a variable. Never a flag, so
  // that no password stands on a command line. Exactly one is given.
  std::string dsn_file;
  std::string dsn_variable;
  std::string direct_dsn_file;  // "" = the same connection string
  bool pgbouncer = false;       // the first leads through PgBouncer (transaction mode)
  std::string schema = "penstock";
  int db_connections = 8;
  std::string listen = "127.0.0.1:7400";
  std::string advertise;  // "" = listen
  std::string http = "127.0.0.1:7401";
  std::string name;  // "" = the machine's name
  std::string log_dir = "/var/tmp/penstock-logs";
  int64_t max_log_bytes = int64_t{64} << 20;
  bool sync_logs = false;
  absl::Duration retention = absl::Hours(30 * 24);  // 0 = for ever
  int api_threads = 16;
  lease::Terms terms;  // only for a database without any
  absl::Duration ageing_bound = absl::Seconds(60);
  int infra_retries = 3;
  bool exit_with_parent = false;
  obs::LogFormat log_format = obs::LogFormat::kText;
  obs::LogLevel log_level = obs::LogLevel::kInfo;
};

// What the command line asks for.
struct Invocation {
  enum class Action { kRun, kHelp, kHelpMarkdown, kVersion };
  Action action = Action::kRun;
  Config config;
  std::vector<std::string> problems;  // everything wrong, one sentence each; empty = sound
  std::vector<std::string> given;     // settings that differ from the defaults, for the log
};

// Reads the arguments (without the program's name) and the environment; looks at nothing else.
Invocation ReadInvocation(const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment);

// The list of flags for a terminal, and as a part of docs/configuration.md. From one table.
std::string HelpText();
std::string HelpMarkdown();

}  // namespace penstock::app
