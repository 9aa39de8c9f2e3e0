#pragma once
// The configuration of penstock-worker: flags, then environment variables, then defaults.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/base/ids.h"
#include "common/obs/log.h"
#include "worker/core/resources.h"

namespace penstock::worker {

struct Config {
  std::vector<std::string> schedulers;  // host:port, loopback
  std::string http = "127.0.0.1:0";     // for /metrics, /healthz and /readyz
  std::string name;                     // "" = the machine's name
  std::string group = "default";
  std::vector<std::string> queues = {"default"};
  std::map<std::string, std::string> labels;
  int slots = 0;  // 0 = twice the number of processors
  int max_prefetch = 2000;
  Capacity capacity;
  std::string work_dir = "/var/tmp/penstock-worker";
  absl::Duration grace = absl::Seconds(30);
  absl::Duration kill_grace = absl::Seconds(5);
  int64_t max_log_bytes = int64_t{16} << 20;
  std::vector<std::string> pass_env;  // names of variables handed on to attempts
  bool use_cgroups = true;
  bool exit_with_parent = false;
  obs::LogFormat log_format = obs::LogFormat::kText;
  obs::LogLevel log_level = obs::LogLevel::kInfo;
  std::vector<SessionId> dead_sessions;  // not empty: report their death, and nothing else
};

// What the command line asks for.
struct Invocation {
  enum class Action { kRun, kReportDeath, kHelp, kHelpMarkdown, kVersion };
  Action action = Action::kRun;
  Config config;
  std::vector<std::string> problems;  // everything wrong, one sentence each; empty = sound
  // "--slots 8", "PENSTOCK_WORKER_GROUP=gpu": what was given, in order, for the log.
  std::vector<std::string> given;
};

// Reads the arguments (without the program's name) and the environment. Never fails otherwise.
Invocation ReadInvocation(const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment);

// The list of flags for a terminal, and as a page of docs/configuration.md. From one table.
std::string HelpText();
std::string HelpMarkdown();

}  // namespace penstock::worker
