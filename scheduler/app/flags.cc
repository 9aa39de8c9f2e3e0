#include "scheduler/app/flags.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>

#include "common/dag/scalars.h"

namespace penstock::app {
namespace {

using Expected = std::optional<std::string>;

Expected ReadCount(std::string_view text, int least, int most, int* value) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    return fmt::format("a whole number from {} to {}", least, most);
  }
  *value = number;
  return std::nullopt;
}

Expected ReadTime(std::string_view text, absl::Duration* value) {
  const std::optional<absl::Duration> time = dag::ParseDuration(text);
  if (!time.has_value()) return "a duration such as 90s, 12h or 30d";
  *value = *time;
  return std::nullopt;
}

Expected ReadBytes(std::string_view text, int64_t* value) {
  const std::optional<int64_t> bytes = dag::ParseSize(text);
  if (!bytes.has_value() || *bytes <= 0) return "a size such as 64Mi";
  *value = *bytes;
  return std::nullopt;
}

Expected ReadSwitch(std::string_view text, bool* value) {
  if (text != "true" && text != "false") return "true or false";
  *value = text == "true";
  return std::nullopt;
}

// Any text goes; what it means is checked with the rest.
template <std::string Config::*Field>
Expected Text(std::string_view text, Config* config) {
  config->*Field = std::string(text);
  return std::nullopt;
}

template <bool Config::*Field>
Expected Switch(std::string_view text, Config* config) {
  return ReadSwitch(text, &(config->*Field));
}

Expected LogFormat(std::string_view text, Config* config) {
  if (text != "text" && text != "json") return "text or json";
  config->log_format = text == "text" ? obs::LogFormat::kText : obs::LogFormat::kJson;
  return std::nullopt;
}

Expected LogLevel(std::string_view text, Config* config) {
  if (text == "debug") {
    config->log_level = obs::LogLevel::kDebug;
  } else if (text == "info") {
    config->log_level = obs::LogLevel::kInfo;
  } else if (text == "warning") {
    config->log_level = obs::LogLevel::kWarning;
  } else if (text == "error") {
    config->log_level = obs::LogLevel::kError;
  } else {
    return "debug, info, warning or error";
  }
  return std::nullopt;
}

constexpr Flag kFlags[] = {
    {"dsn-file", "FILE", "none; this or dsn-env is required",
     "File that holds PostgreSQL's connection string or URI; keep it readable for its owner alone",
     Text<&Config::dsn_file>},
    {"dsn-env", "NAME", "none", "Environment variable that holds the connection string instead",
     Text<&Config::dsn_variable>},
    {"pgbouncer", "", "false",
     "The connection string leads through PgBouncer in transaction mode; direct-dsn-file is "
     "required then",
     Switch<&Config::pgbouncer>},
    {"direct-dsn-file", "FILE", "the same as dsn-file",
     "Connection string past PgBouncer, for the one connection that needs a session of its own",
     Text<&Config::direct_dsn_file>},
    {"schema", "NAME", "penstock", "Schema of the database that holds Penstock's tables",
     Text<&Config::schema>},
    {"db-connections", "N", "8",
     "Connections to PostgreSQL at most, beside the one for the fleet; half are for the API",
     [](std::string_view text, Config* config) {
       return ReadCount(text, 4, 200, &config->db_connections);
     }},
    {"listen", "HOST:PORT", "127.0.0.1:7400",
     "Where gRPC is served: the control API, workers, other schedulers; loopback only for now",
     Text<&Config::listen>},
    {"advertise", "HOST:PORT", "the same as listen",
     "Address that workers and other schedulers use for this one", Text<&Config::advertise>},
    {"http", "HOST:PORT", "127.0.0.1:7401",
     "Where /metrics, /healthz and /readyz are served; port 0 = any free one", Text<&Config::http>},
    {"name", "NAME", "the machine's name", "What people see; not an identity", Text<&Config::name>},
    {"log-dir", "DIR", "/var/tmp/penstock-logs",
     "Where the output of attempts is kept; schedulers may share it, else they fetch from each "
     "other",
     Text<&Config::log_dir>},
    {"max-log", "SIZE", "64Mi", "Output kept of one attempt; what follows is dropped and marked",
     [](std::string_view text, Config* config) { return ReadBytes(text, &config->max_log_bytes); }},
    {"sync-logs", "", "false", "Output survives the loss of the machine once an attempt has ended",
     Switch<&Config::sync_logs>},
    {"retention", "DURATION", "30d", "How long finished runs and their logs are kept; 0 = for ever",
     [](std::string_view text, Config* config) { return ReadTime(text, &config->retention); }},
    {"api-threads", "N", "16", "Threads for requests that wait for the database",
     [](std::string_view text, Config* config) {
       return ReadCount(text, 2, 256, &config->api_threads);
     }},
    {"domain-term", "DURATION", "3s",
     "Lease of a scheduler on its domains; stored by the first scheduler ever, then taken from "
     "the database",
     [](std::string_view text, Config* config) { return ReadTime(text, &config->terms.domain); }},
    {"session-term", "DURATION", "15s",
     "Lease of a worker on its attempts; stored like domain-term",
     [](std::string_view text, Config* config) { return ReadTime(text, &config->terms.session); }},
    {"outage", "DURATION", "10s",
     "Outage of the database that tasks are to survive; only checked: session-term must be at "
     "least domain-term + outage + 1s",
     [](std::string_view text, Config* config) { return ReadTime(text, &config->terms.outage); }},
    {"ageing-bound", "DURATION", "60s",
     "A task that has waited so long for room reserves what becomes free",
     [](std::string_view text, Config* config) { return ReadTime(text, &config->ageing_bound); }},
    {"infra-retries", "N", "3",
     "Attempts of an instance that may be lost to infrastructure before it fails",
     [](std::string_view text, Config* config) {
       return ReadCount(text, 0, 1000, &config->infra_retries);
     }},
    {"exit-with-parent", "", "false", "Ends when the process that started it dies",
     Switch<&Config::exit_with_parent>},
    {"log-format", "text|json", "text", "How log lines look", LogFormat},
    {"log-level", "LEVEL", "info", "The least important lines written: debug, info, warning, error",
     LogLevel},
};

}  // namespace

std::span<const Flag> Flags() { return kFlags; }

const Flag* FindFlag(std::string_view name) {
  for (const Flag& flag : kFlags) {
    if (name == flag.name) return &flag;
  }
  return nullptr;
}

std::string VariableOf(const Flag& flag) {
  std::string variable = "PENSTOCK_SCHEDULER_";
  for (char c : std::string_view(flag.name)) {
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

}  // namespace penstock::app
