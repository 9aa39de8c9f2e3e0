#include "worker/app/config.h"

#include <fmt/format.h>

#include "common/base/status.h"
#include "common/dag/scalars.h"
#include "common/service/loopback.h"
#include "worker/app/flags.h"

namespace penstock::worker {

namespace {

constexpr size_t kMaxNameBytes = 200;

void Set(const Flag& flag, std::string_view source, std::string_view text, Invocation* result) {
  const auto expected = flag.set(text, &result->config);
  if (expected) {
    result->problems.push_back(fmt::format("{}: expected {}, not \"{}\"", source, *expected, text));
  }
}

void ReadVariables(const std::map<std::string, std::string>& environment, Invocation* result) {
  for (const Flag& flag : Flags()) {
    const auto variable = environment.find(VariableOf(flag));
    if (variable == environment.end()) continue;
    Set(flag, variable->first, variable->second, result);
    result->given.push_back(variable->first + "=" + variable->second);
  }
}

const Flag* FindFlag(std::string_view name) {
  for (const Flag& flag : Flags()) {
    if (name == flag.name) return &flag;
  }
  return nullptr;
}

bool ReadAction(std::string_view argument, Invocation* result) {
  using Action = Invocation::Action;
  if (argument == "--help" || argument == "-h") {
    result->action = Action::kHelp;
  } else if (argument == "--help-markdown") {
    result->action = Action::kHelpMarkdown;
  } else if (argument == "--version") {
    result->action = Action::kVersion;
  } else {
    return false;
  }
  return true;
}

// Reads arguments[i] and its value; returns the index of the next.
size_t ReadArgument(const std::vector<std::string>& arguments, size_t i, Invocation* result) {
  const std::string_view argument = arguments[i];
  if (ReadAction(argument, result)) return i + 1;
  const size_t equals = argument.find('=');
  const std::string_view head = argument.substr(0, equals);
  const Flag* flag = head.starts_with("--") ? FindFlag(head.substr(2)) : nullptr;
  if (flag == nullptr) {
    result->problems.push_back(fmt::format("{}: no such flag; see --help", head));
    return i + 1;
  }
  if (equals != std::string_view::npos) {
    Set(*flag, head, argument.substr(equals + 1), result);
    result->given.emplace_back(argument);
    return i + 1;
  }
  if (*flag->value == '\0') {
    Set(*flag, head, "true", result);
    result->given.emplace_back(argument);
    return i + 1;
  }
  if (i + 1 == arguments.size()) {
    result->problems.push_back(fmt::format("{}: needs a value ({})", head, flag->value));
    return i + 1;
  }
  Set(*flag, head, arguments[i + 1], result);
  result->given.push_back(fmt::format("{} {}", head, arguments[i + 1]));
  return i + 2;
}

void CheckAddress(std::string_view flag, std::string_view address,
                  std::vector<std::string>* problems) {
  const auto parsed = service::ParseLoopbackAddress(address);
  if (!parsed.ok()) {
    problems->push_back(fmt::format("{}: {}", flag, Message(parsed.status())));
  }
}

void CheckName(std::string_view flag, std::string_view name, std::vector<std::string>* problems) {
  if (dag::IsId(name) && name.size() <= kMaxNameBytes) return;
  problems->push_back(fmt::format(
      "{}: \"{}\" is not a name (letters, digits, _ . -; at most {} bytes; no digit first)", flag,
      name, kMaxNameBytes));
}

void Validate(const Config& config, std::vector<std::string>* problems) {
  if (config.schedulers.empty()) {
    problems->emplace_back("--schedulers: at least one address is needed, such as 127.0.0.1:7070");
  }
  for (const std::string& address : config.schedulers) {
    CheckAddress("--schedulers", address, problems);
  }
  if (!config.dead_sessions.empty()) return;
  CheckAddress("--http", config.http, problems);
  CheckName("--group", config.group, problems);
  for (const std::string& queue : config.queues) CheckName("--queues", queue, problems);
  if (config.queues.empty()) problems->emplace_back("--queues: at least one queue is needed");
  if (config.name.size() > kMaxNameBytes) {
    problems->push_back(fmt::format("--name: longer than {} bytes", kMaxNameBytes));
  }
  if (config.work_dir.empty() || config.work_dir.front() != '/') {
    problems->emplace_back("--work-dir: an absolute path is needed");
  }
  for (const std::string& name : config.pass_env) {
    if (!dag::IsName(name)) {
      problems->push_back(fmt::format("--pass-env: \"{}\" is not the name of a variable", name));
    }
  }
}

}  // namespace

Invocation ReadInvocation(const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment) {
  Invocation result;
  ReadVariables(environment, &result);
  for (size_t i = 0; i < arguments.size();) i = ReadArgument(arguments, i, &result);
  if (result.action != Invocation::Action::kRun) {
    result.problems.clear();
    return result;
  }
  Validate(result.config, &result.problems);
  if (!result.config.dead_sessions.empty()) result.action = Invocation::Action::kReportDeath;
  return result;
}

std::string HelpText() {
  std::string text =
      "penstock-worker runs tasks for Penstock's schedulers.\n\n"
      "Every flag can be given as a variable too: --max-prefetch as PENSTOCK_WORKER_MAX_PREFETCH.\n"
      "A flag wins over its variable.\n\n";
  for (const Flag& flag : Flags()) {
    text += fmt::format("  --{} {}\n        {} (default: {})\n", flag.name, flag.value, flag.help,
                        flag.fallback);
  }
  text +=
      "  --help, --help-markdown, --version\n"
      "        Print and end\n";
  return text;
}

std::string HelpMarkdown() {
  std::string text =
      "## penstock-worker\n\n"
      "| Flag | Variable | Default | Meaning |\n| --- | --- | --- | --- |\n";
  for (const Flag& flag : Flags()) {
    std::string value;
    for (const char* c = flag.value; *c != '\0'; ++c) {
      if (*c == '|') value += '\\';  // it would end the table's cell
      value += *c;
    }
    text += fmt::format("| `--{}{}{}` | `{}` | {} | {} |\n", flag.name, value.empty() ? "" : " ",
                        value, VariableOf(flag), flag.fallback, flag.help);
  }
  return text;
}

}  // namespace penstock::worker
