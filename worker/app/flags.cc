#include "worker/app/flags.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "common/dag/scalars.h"

namespace penstock::worker {

namespace {

using Problem = std::optional<std::string>;

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

template <typename Number>
bool ReadNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

Problem SetInt(std::string_view text, int low, int high, int* value) {
  if (ReadNumber(text, value) && *value >= low && *value <= high) return std::nullopt;
  return "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
}

Problem SetDuration(std::string_view text, absl::Duration* value) {
  const auto duration = dag::ParseDuration(text);
  if (!duration) return "a duration such as 30s or 1m30s";
  *value = *duration;
  return std::nullopt;
}

Problem SetSwitch(std::string_view text, bool* value) {
  if (text != "true" && text != "false") return "true or false";
  *value = text == "true";
  return std::nullopt;
}

Problem SetLabels(std::string_view text, Config* config) {
  config->labels.clear();
  for (const std::string& part : Split(text)) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos || !dag::IsLabelKey(part.substr(0, equals))) {
      return "key=value pairs, separated by commas";
    }
    config->labels[part.substr(0, equals)] = part.substr(equals + 1);
  }
  return std::nullopt;
}

Problem SetResources(std::string_view text, Config* config) {
  config->capacity.custom.clear();
  for (const std::string& part : Split(text)) {
    const size_t equals = part.find('=');
    int64_t amount = 0;
    if (equals == std::string::npos || !dag::IsLabelKey(part.substr(0, equals)) ||
        !ReadNumber(std::string_view(part).substr(equals + 1), &amount) || amount < 0) {
      return "name=number pairs, separated by commas, such as gpu=2";
    }
    config->capacity.custom[part.substr(0, equals)] = amount;
  }
  return std::nullopt;
}

Problem SetCpu(std::string_view text, Config* config) {
  const auto cpu = dag::ParseCpu(text);
  if (!cpu) return "a number of cores such as 4 or 500m; 0 = not limited";
  config->capacity.cpu_millis = *cpu;
  return std::nullopt;
}

Problem SetSize(std::string_view text, int64_t* value) {
  const auto size = dag::ParseSize(text);
  if (!size) return "a size such as 8Gi or 512Mi";
  *value = *size;
  return std::nullopt;
}

Problem SetSessions(std::string_view text, Config* config) {
  config->dead_sessions.clear();
  for (const std::string& part : Split(text)) {
    int64_t id = 0;
    if (!ReadNumber(part, &id) || id <= 0) return "ids of sessions, separated by commas";
    config->dead_sessions.emplace_back(id);
  }
  if (config->dead_sessions.empty()) return "the id of a session";
  return std::nullopt;
}

Problem SetLogFormat(std::string_view text, Config* config) {
  if (text != "text" && text != "json") return "text or json";
  config->log_format = text == "json" ? obs::LogFormat::kJson : obs::LogFormat::kText;
  return std::nullopt;
}

Problem SetLogLevel(std::string_view text, Config* config) {
  static constexpr std::pair<std::string_view, obs::LogLevel> kLevels[] = {
      {"debug", obs::LogLevel::kDebug},
      {"info", obs::LogLevel::kInfo},
      {"warning", obs::LogLevel::kWarning},
      {"error", obs::LogLevel::kError}};
  for (const auto& [name, level] : kLevels) {
    if (name != text) continue;
    config->log_level = level;
    return std::nullopt;
  }
  return "debug, info, warning or error";
}

constexpr Flag kFlags[] = {
    {"schedulers", "HOST:PORT[,...]", "none; required",
     "Schedulers to begin with; the rest of the fleet is learned from them",
     [](std::string_view text, Config* config) -> Problem {
       config->schedulers = Split(text);
       return std::nullopt;
     }},
    {"http", "HOST:PORT", "127.0.0.1:0",
     "Where /metrics, /healthz and /readyz are served; port 0 = any free one",
     [](std::string_view text, Config* config) -> Problem {
       config->http = text;
       return std::nullopt;
     }},
    {"name", "NAME", "the machine's name", "What people see; not an identity",
     [](std::string_view text, Config* config) -> Problem {
       config->name = text;
       return std::nullopt;
     }},
    {"group", "NAME", "default", "Worker group: workers that are deployed together",
     [](std::string_view text, Config* config) -> Problem {
       config->group = text;
       return std::nullopt;
     }},
    {"queues", "NAME[,...]", "default", "Queues whose tasks this worker takes",
     [](std::string_view text, Config* config) -> Problem {
       config->queues = Split(text);
       return std::nullopt;
     }},
    {"labels", "KEY=VALUE[,...]", "none", "What a task's labels must equal to run here", SetLabels},
    {"slots", "N", "twice the number of processors", "Attempts that run at once",
     [](std::string_view text, Config* config) { return SetInt(text, 1, 10'000, &config->slots); }},
    {"max-prefetch", "N", "2000",
     "Attempts taken at most beyond the slots, while attempts are short",
     [](std::string_view text, Config* config) {
       return SetInt(text, 0, 100'000, &config->max_prefetch);
     }},
    {"cpu", "CORES", "0", "Processors that tasks may ask for in all; 0 = not limited", SetCpu},
    {"memory", "SIZE", "0", "Memory that tasks may ask for in all; 0 = not limited",
     [](std::string_view text, Config* config) {
       return SetSize(text, &config->capacity.memory_bytes);
     }},
    {"resources", "NAME=N[,...]", "none", "Other resources that tasks may ask for, such as gpu=2",
     SetResources},
    {"work-dir", "DIR", "/var/tmp/penstock-worker",
     "Where attempts get their working directories; several workers may share it",
     [](std::string_view text, Config* config) -> Problem {
       config->work_dir = text;
       return std::nullopt;
     }},
    {"grace", "DURATION", "30s",
     "How long attempts may go on after SIGTERM before they are stopped",
     [](std::string_view text, Config* config) { return SetDuration(text, &config->grace); }},
    {"kill-grace", "DURATION", "5s",
     "How long an attempt that is stopped has between SIGTERM and SIGKILL",
     [](std::string_view text, Config* config) { return SetDuration(text, &config->kill_grace); }},
    {"max-log", "SIZE", "16Mi", "Output kept of one attempt; what follows is dropped and marked",
     [](std::string_view text, Config* config) { return SetSize(text, &config->max_log_bytes); }},
    {"pass-env", "NAME[,...]", "none",
     "Variables of the worker's own environment that attempts get as well",
     [](std::string_view text, Config* config) -> Problem {
       config->pass_env = Split(text);
       return std::nullopt;
     }},
    {"cgroups", "true|false", "true",
     "Whether memory cgroups are used where they are writable: limits, and the cause out_of_memory",
     [](std::string_view text, Config* config) { return SetSwitch(text, &config->use_cgroups); }},
    {"exit-with-parent", "", "false",
     "Ends at once, attempts included, when the process that started it dies",
     [](std::string_view text, Config* config) {
       return SetSwitch(text, &config->exit_with_parent);
     }},
    {"log-format", "text|json", "text", "How log lines look", SetLogFormat},
    {"log-level", "LEVEL", "info", "The least important lines written: debug, info, warning, error",
     SetLogLevel},
    {"report-session-death", "ID[,...]", "none",
     "Only tells the schedulers that these sessions are dead, then ends; the guardian does this",
     SetSessions},
};

}  // namespace

std::span<const Flag> Flags() { return kFlags; }

std::string VariableOf(const Flag& flag) {
  std::string name = "PENSTOCK_WORKER_";
  for (const char* c = flag.name; *c != '\0'; ++c) {
    name += *c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(*c)));
  }
  return name;
}

}  // namespace penstock::worker
