#include "client/cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace penstock::client {
namespace {

constexpr std::string_view kConnecting =
    "Where to connect: --address, else PENSTOCK_ADDRESS, else the context of the config file\n"
    "(~/.config/penstock/config.yaml or $PENSTOCK_CONFIG), else 127.0.0.1:7400. An address may be\n"
    "a list (a:7400,b:7400). The namespace likewise: --namespace, PENSTOCK_NAMESPACE, context,\n"
    "\"default\". A context given by --context goes before the environment.\n"
    "\n"
    "  current: laptop\n"
    "  contexts:\n"
    "    laptop: {address: \"127.0.0.1:7400\"}\n"
    "    prod: {address: \"sched-a:7400,sched-b:7400\", namespace: sales}\n";

constexpr std::string_view kExitCodes =
    "0 success; 1 the run that was watched has failed or was cancelled; 2 the command line, a "
    "file\n"
    "or this machine is at fault; 3 no scheduler can be reached; 4 a scheduler refused; 130 "
    "watching\n"
    "was ended by Ctrl-C (the run goes on).\n";

constexpr std::string_view kOutput =
    "Results go to stdout, remarks and errors to stderr. -o json and -o jsonl print the messages "
    "of\n"
    "proto/penstock/v1/control.proto in protobuf's JSON mapping with its field names (64-bit "
    "numbers\n"
    "are strings); -o yaml prints the same data. What comes from a server is shown with control\n"
    "characters and escape sequences written out, so it cannot steer the terminal. Logs are the "
    "one\n"
    "exception: where stdout is not a terminal, `task logs` passes a task's bytes on as they are; "
    "on\n"
    "a terminal only its colours get through.\n";

using Rows = std::vector<std::pair<std::string, std::string>>;

// Two columns; the second starts behind the longest of the first.
std::string Columns(const Rows& rows) {
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string out;
  for (const auto& [left, right] : rows) out += fmt::format("  {:<{}}  {}\n", left, width, right);
  return out;
}

std::string FlagText(const FlagSpec& flag) {
  std::string text = flag.letter != 0 ? fmt::format("-{}, ", flag.letter) : "    ";
  text += "--" + flag.name;
  if (flag.kind != ValueKind::kNone) text += " " + flag.value;
  return text;
}

std::string FlagTable(const std::vector<FlagSpec>& flags) {
  Rows rows;
  for (const FlagSpec& flag : flags) {
    rows.emplace_back(FlagText(flag), flag.help + (flag.repeated ? "; may be repeated" : ""));
  }
  return Columns(rows);
}

std::string ArgText(const ArgSpec& arg) {
  const std::string text = arg.name + (arg.repeated ? "..." : "");
  return arg.required ? text : "[" + text + "]";
}

std::string Section(std::string_view title, std::string_view body) {
  return body.empty() ? "" : fmt::format("\n{}:\n{}", title, body);
}

std::string ArgTable(const CommandSpec& command) {
  Rows rows;
  for (const ArgSpec& arg : command.args) rows.emplace_back(arg.name, arg.help);
  return Columns(rows);
}

std::string Examples(const CommandSpec& command) {
  std::string out;
  for (const std::string& example : command.examples) out += "  penstock " + example + "\n";
  return out;
}

std::string Capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] & ~0x20);
  return text;
}

std::string MarkdownCell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string MarkdownFlags(const std::vector<FlagSpec>& flags) {
  if (flags.empty()) return "";
  std::string out = "| flag | meaning |\n| --- | --- |\n";
  for (const FlagSpec& flag : flags) {
    std::string text = FlagText(flag);
    text.erase(0, text.find_first_not_of(' '));
    out += fmt::format("| `{}` | {}{} |\n", MarkdownCell(text), MarkdownCell(flag.help),
                       flag.repeated ? "; may be repeated" : "");
  }
  return out + "\n";
}

std::string MarkdownCommand(const CommandSpec& command) {
  std::string out =
      fmt::format("### penstock {}\n\n{}.", command.name(), Capitalized(command.summary));
  if (!command.details.empty()) out += " " + command.details;
  out += fmt::format("\n\n```\n{}\n```\n\n", UsageLine(command));
  if (command.short_form) out += fmt::format("Short form: `penstock {}`.\n\n", command.verb);
  for (const ArgSpec& arg : command.args) out += fmt::format("* `{}`: {}\n", arg.name, arg.help);
  if (!command.args.empty()) out += "\n";
  out += MarkdownFlags(command.flags);
  if (!command.examples.empty()) out += fmt::format("```\n{}```\n\n", Examples(command));
  return out;
}

}  // namespace

std::string UsageLine(const CommandSpec& command) {
  std::string line = "penstock " + command.name();
  for (const ArgSpec& arg : command.args) line += " " + ArgText(arg);
  return line + (command.flags.empty() ? "" : " [flags]");
}

std::string HelpOverview(const CommandTable& table) {
  Rows rows;
  for (const NounSpec& noun : table.nouns) {
    rows.emplace_back(noun.name,
                      fmt::format("{}: {}", noun.summary, fmt::join(table.Verbs(noun.name), ", ")));
  }
  Rows others;
  for (const CommandSpec& command : table.commands) {
    if (command.verb.empty()) others.emplace_back(command.noun, command.summary);
    if (command.short_form) others.emplace_back(command.verb, "short for " + command.name());
  }
  return "Penstock runs DAGs of tasks, and keeps an exact record of them.\n\n"
         "Usage: penstock NOUN VERB [arguments] [flags]\n" +
         Section("Nouns", Columns(rows)) + Section("Other commands", Columns(others)) +
         Section("Flags of every command", FlagTable(table.globals)) + "\n" +
         std::string(kConnecting) + "\nExit codes: " + std::string(kExitCodes) +
         "\nMore: penstock NOUN --help, penstock NOUN VERB --help\n";
}

std::string HelpNoun(const CommandTable& table, std::string_view noun) {
  Rows rows;
  std::string examples;
  for (const CommandSpec& command : table.commands) {
    if (command.noun != noun || command.verb.empty()) continue;
    rows.emplace_back(command.verb, command.summary);
    if (!command.examples.empty()) examples += "  penstock " + command.examples[0] + "\n";
  }
  return fmt::format("{}.\n\nUsage: penstock {} VERB [arguments] [flags]\n",
                     Capitalized(table.FindNoun(noun)->summary), noun) +
         Section("Verbs", Columns(rows)) + Section("Examples", examples) +
         fmt::format("\nMore: penstock {} VERB --help\n", noun);
}

std::string HelpCommand(const CommandTable& table, const CommandSpec& command) {
  std::string out = Capitalized(command.summary) + ".\n";
  if (!command.details.empty()) out += "\n" + command.details + "\n";
  out += fmt::format("\nUsage: {}\n", UsageLine(command));
  if (command.short_form) out += fmt::format("Short: penstock {} ...\n", command.verb);
  return out + Section("Arguments", ArgTable(command)) +
         Section("Flags", FlagTable(command.flags)) +
         Section("Flags of every command", FlagTable(table.globals)) +
         Section("Examples", Examples(command));
}

std::string HelpMarkdown(const CommandTable& table) {
  std::string out =
      "# The `penstock` command\n\nGenerated by `penstock help --markdown`.\n\n"
      "## Flags of every command\n\n" +
      MarkdownFlags(table.globals) + "## Connecting\n\n```\n" + std::string(kConnecting) +
      "```\n\n## Output\n\n" + std::string(kOutput) + "\n## Exit codes\n\n" +
      std::string(kExitCodes);
  for (const NounSpec& noun : table.nouns) {
    out += fmt::format("\n## {}\n\n{}.\n\n", noun.name, Capitalized(noun.summary));
    for (const CommandSpec& command : table.commands) {
      if (command.noun == noun.name && !command.verb.empty()) out += MarkdownCommand(command);
    }
  }
  out += "\n## Other commands\n\n";
  for (const CommandSpec& command : table.commands) {
    if (command.verb.empty()) out += MarkdownCommand(command);
  }
  return out;
}

}  // namespace penstock::client
