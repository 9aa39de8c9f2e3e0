#include "scheduler/app/config.h"

#include <fmt/format.h>

#include <string_view>

#include "common/base/status.h"
#include "common/dag/scalars.h"
#include "common/service/loopback.h"
#include "scheduler/app/flags.h"

namespace penstock::app {
namespace {

constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMaxSchemaBytes = 48;

// Reads one source after another into an Invocation.
class Reader {
 public:
  explicit Reader(Invocation* out) : out_(*out) {}

  void ReadEnvironment(const std::map<std::string, std::string>& environment) {
    for (const Flag& flag : Flags()) {
      const auto found = environment.find(VariableOf(flag));
      if (found != environment.end()) Set(flag, found->first, found->second);
    }
  }

  void ReadArguments(const std::vector<std::string>& arguments) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (TakeAction(arguments[i])) continue;
      const std::string_view argument = arguments[i];
      const size_t equals = argument.find('=');
      const std::string head(argument.substr(0, equals));
      const Flag* flag = head.starts_with("--") ? FindFlag(head.substr(2)) : nullptr;
      if (flag == nullptr) {
        Problem(head, "there is no such flag; --help lists them");
      } else if (equals != std::string_view::npos) {
        Set(*flag, head, argument.substr(equals + 1));
      } else if (std::string_view(flag->value).empty()) {
        Set(*flag, head, "true");
      } else if (i + 1 < arguments.size()) {
        Set(*flag, head, arguments[++i]);
      } else {
        Problem(head, fmt::format("needs a value: {}", flag->value));
      }
    }
  }

 private:
  bool TakeAction(std::string_view argument) {
    using Action = Invocation::Action;
    if (argument == "--help" || argument == "-h") {
      out_.action = Action::kHelp;
    } else if (argument == "--help-markdown") {
      out_.action = Action::kHelpMarkdown;
    } else if (argument == "--version") {
      out_.action = Action::kVersion;
    } else {
      return false;
    }
    return true;
  }

  void Set(const Flag& flag, std::string_view source, std::string_view text) {
    const std::optional<std::string> expected = flag.set(text, &out_.config);
    if (expected.has_value()) {
      return Problem(source,
                     fmt::format("expected {}, not \"{}\"", *expected, dag::ShownText(text)));
    }
    if (text != flag.fallback) out_.given.push_back(fmt::format("{}={}", flag.name, text));
  }

  void Problem(std::string_view source, std::string_view sentence) {
    out_.problems.push_back(fmt::format("{}: {}", source, sentence));
  }

  Invocation& out_;
};

class Checks {
 public:
  explicit Checks(Invocation* out) : config_(out->config), problems_(out->problems) {}

  void Run() {
    CheckDatabase();
    CheckAddress("--listen", config_.listen, /*fixed_port=*/true);
    if (!config_.advertise.empty()) CheckAddress("--advertise", config_.advertise, true);
    CheckAddress("--http", config_.http, /*fixed_port=*/false);
    if (config_.name.size() > kMaxNameBytes || dag::FindBadByte(config_.name).has_value()) {
      Add("--name: at most 200 bytes of printable text");
    }
    if (config_.log_dir.empty() || config_.log_dir.front() != '/') {
      Add("--log-dir: an absolute path is needed");
    }
    const absl::Status terms = lease::Validate(config_.terms);
    if (!terms.ok()) Add(fmt::format("--session-term: {}", Message(terms)));
  }

 private:
  void Add(std::string problem) { problems_.push_back(std::move(problem)); }

  void CheckDatabase() {
    if (config_.dsn_file.empty() == config_.dsn_variable.empty()) {
      Add("--dsn-file: give this (a file that holds PostgreSQL's connection string) or --dsn-env, "
          "and not both");
    }
    if (config_.pgbouncer && config_.direct_dsn_file.empty()) {
      Add("--direct-dsn-file: is needed with --pgbouncer: one connection must reach the server "
          "itself");
    }
    const std::string_view schema = config_.schema;
    const bool known =
        schema.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
    const bool digit = !schema.empty() && schema.front() >= '0' && schema.front() <= '9';
    if (schema.empty() || schema.size() > kMaxSchemaBytes || !known || digit) {
      Add("--schema: lower-case letters, digits and _, no digit first, at most 48 bytes");
    }
  }

  void CheckAddress(std::string_view flag, const std::string& address, bool fixed_port) {
    const absl::StatusOr<service::ListenAddress> parsed = service::ParseLoopbackAddress(address);
    if (!parsed.ok()) return Add(fmt::format("{}: {}", flag, Message(parsed.status())));
    if (fixed_port && (parsed->port == 0 || parsed->unix_socket)) {
      Add(
          fmt::format("{}: a host and a fixed port are needed: workers and other schedulers "
                      "connect to it",
                      flag));
    }
  }

  const Config& config_;
  std::vector<std::string>& problems_;
};

// Vertical bars would end a Markdown cell.
std::string Escaped(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

Invocation ReadInvocation(const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment) {
  Invocation result;
  Reader reader(&result);
  reader.ReadEnvironment(environment);
  reader.ReadArguments(arguments);
  if (result.action == Invocation::Action::kRun) {
    Checks(&result).Run();
  } else {
    result.problems.clear();
  }
  return result;
}

std::string HelpText() {
  std::string text =
      "penstock-scheduler: one member of a fleet of schedulers on one PostgreSQL database.\n\n"
      "Usage: penstock-scheduler --dsn-file FILE [flags]\n\n"
      "Each flag can be set by a variable too: --log-dir by PENSTOCK_SCHEDULER_LOG_DIR. A flag\n"
      "wins over its variable.\n\n";
  for (const Flag& flag : Flags()) {
    const std::string_view value = flag.value;
    text += fmt::format("  --{}{}{}\n      {} (default: {})\n", flag.name, value.empty() ? "" : " ",
                        value, flag.help, flag.fallback);
  }
  return text +
         "  --help, --help-markdown, --version\n"
         "      Print and end\n";
}

std::string HelpMarkdown() {
  std::string text =
      "## penstock-scheduler\n\n"
      "| Flag | Variable | Default | Meaning |\n"
      "| --- | --- | --- | --- |\n";
  for (const Flag& flag : Flags()) {
    const std::string value = Escaped(flag.value);
    text += fmt::format("| `--{}{}{}` | `{}` | {} | {} |\n", flag.name, value.empty() ? "" : " ",
                        value, VariableOf(flag), flag.fallback, flag.help);
  }
  return text;
}

}  // namespace penstock::app
