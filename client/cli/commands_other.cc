// standalone, completion, version, help.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "client/cli/commands.h"
#include "client/cli/complete.h"
#include "client/cli/files.h"
#include "client/cli/help.h"
#include "client/cli/session.h"
#include "client/cli/text.h"
#include "client/cli/yaml.h"
#include "client/standalone/instance_lock.h"
#include "client/standalone/standalone.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

using Result = absl::StatusOr<ExitCode>;

constexpr int64_t kMaxStateBytes = 1 << 20;

int SmallNumber(const Invocation& call, std::string_view flag, int otherwise) {
  return static_cast<int>(std::min<int64_t>(call.Number(flag, otherwise), INT32_MAX));
}

StandaloneOptions OptionsOf(const Invocation& call) {
  StandaloneOptions options;
  options.data_dir = call.Text("data");
  options.schedulers = SmallNumber(call, "schedulers", options.schedulers);
  options.workers = SmallNumber(call, "workers", options.workers);
  options.slots = SmallNumber(call, "slots", options.slots);
  options.port = SmallNumber(call, "port", options.port);
  options.detach = call.Has("detach");
  options.drain_grace = call.Duration("drain-grace", options.drain_grace);
  options.log_format = call.Text("log-format", options.log_format);
  options.pg_bin_dir = call.Text("pg-bin");
  return options;
}

// What standalone.json says; there while the cluster is up.
Result StandaloneStatus(Session& session, const std::string& data_dir) {
  const std::string path = data_dir + "/standalone.json";
  const bool held = FindHolder(data_dir + "/standalone.lock").held;
  std::error_code error;
  if (!held || !std::filesystem::exists(path, error)) {
    session.Note(fmt::format("{} {}", held ? "the cluster starts or stops in" : "nothing runs in",
                             data_dir));
    return ExitCode::kUnreachable;
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::string json,
                            ReadInput(path, kMaxStateBytes, *session.env().in));
  const bool as_json = session.format() == Format::kJson || session.format() == Format::kJsonl;
  session.out() << (as_json ? json : PrintableLines(JsonToYaml(json)));
  return ExitCode::kSuccess;
}

Result Standalone(Session& session) {
  const Invocation& call = session.call();
  if (!call.Has("data")) return UsageError("standalone needs --data DIR");
  if (call.Has("status")) return StandaloneStatus(session, call.Text("data"));
  const StandaloneOptions options = OptionsOf(call);
  const int code = call.Has("stop") ? StopStandalone(options, session.out(), session.err())
                                    : RunStandalone(options, session.out(), session.err());
  return static_cast<ExitCode>(code);
}

Result Completion(Session& session) {
  session.out() << CompletionScript(session.call().args[0]);
  return ExitCode::kSuccess;
}

std::string DescribeCluster(const v1::Cluster& cluster, bool color) {
  std::string text = Printable(fmt::format("cluster {}, incarnation {}", cluster.version(),
                                           cluster.incarnation())) +
                     "\n";
  Table schedulers({"SCHEDULER", "ADDRESS", "STATE", "ID"});
  for (const v1::Scheduler& entry : cluster.schedulers()) {
    schedulers.Add({entry.name(), entry.address(),
                    entry.alive() ? Cell("alive", Style::kGood) : Cell("gone", Style::kDim),
                    std::to_string(entry.id())});
  }
  Table domains({">DOMAIN", ">EPOCH", "OWNER", ">FLUSH", "STATE"});
  for (const v1::DomainStatus& domain : cluster.domains()) {
    domains.Add(
        {std::to_string(domain.id()), std::to_string(domain.epoch()),
         domain.owner() == 0 ? Cell("none", Style::kBad) : Cell(std::to_string(domain.owner())),
         std::to_string(domain.flush_seq()),
         domain.quarantine().empty() ? Cell("healthy", Style::kGood)
                                     : Cell(domain.quarantine(), Style::kBad)});
  }
  return text + "\n" + schedulers.Render(color) + "\n" + domains.Render(color);
}

Result Version(Session& session) {
  session.Say("penstock " PENSTOCK_VERSION);
  v1::Cluster cluster;
  cluster.set_version(PENSTOCK_VERSION);
  if (session.call().Has("server")) {
    PENSTOCK_ASSIGN_OR_RETURN(cluster, session.client().GetCluster(v1::GetClusterRequest()));
    session.Show(cluster, [&] { return DescribeCluster(cluster, session.color()); });
  } else if (session.format() != Format::kTable) {
    session.out() << Render(cluster, session.format());
  }
  return ExitCode::kSuccess;
}

Result Help(Session& session) {
  const CommandTable& table = Commands();
  const auto& words = session.call().args;
  if (session.call().Has("markdown")) {
    session.out() << HelpMarkdown(table);
  } else if (words.empty()) {
    session.out() << HelpOverview(table);
  } else if (const auto* command = table.Find(words[0], words.size() > 1 ? words[1] : "")) {
    session.out() << HelpCommand(table, *command);
  } else if (words.size() == 1 && table.FindNoun(words[0]) != nullptr) {
    session.out() << HelpNoun(table, words[0]);
  } else {
    return UsageError(fmt::format("there is no command \"{}\"",
                                  Printable(fmt::format("{}", fmt::join(words, " ")))));
  }
  return ExitCode::kSuccess;
}

std::vector<FlagSpec> StandaloneFlags() {
  return {{"data", 0, ValueKind::kFile, "DIR", "the data directory; made if it is missing"},
          {"detach", 'd', ValueKind::kNone, "", "return as soon as the cluster is ready"},
          {"stop", 0, ValueKind::kNone, "", "stop the cluster of this directory"},
          {"status", 0, ValueKind::kNone, "", "print its addresses and processes"},
          {"schedulers", 0, ValueKind::kNumber, "N", "how many schedulers (1)"},
          {"workers", 0, ValueKind::kNumber, "M", "how many workers (1)"},
          {"slots", 0, ValueKind::kNumber, "S", "tasks at once per worker (twice the cores)"},
          {"port", 0, ValueKind::kNumber, "PORT", "of the first scheduler; 0 = any free (7400)"},
          {"drain-grace", 0, ValueKind::kDuration, "DURATION",
           "how long a stop waits for running tasks (10s)"},
          {"log-format", 0, ValueKind::kChoice, "text|json", "of the processes' logs (text)"},
          {"pg-bin", 0, ValueKind::kFile, "DIR", "PostgreSQL's programs (searched for)"}};
}

}  // namespace

std::vector<CommandSpec> OtherCommands() {
  return {
      {"standalone",
       "",
       "run a whole cluster on this machine",
       "Starts a private PostgreSQL, schedulers and workers below one directory, and stops them\n"
       "together. Everything listens on loopback only. DIR/standalone.json names addresses and\n"
       "processes while it is up.",
       {},
       StandaloneFlags(),
       {"standalone --data ./penstock-data", "standalone --data ./penstock-data --detach",
        "standalone --data ./penstock-data --stop"},
       Standalone},
      {"completion",
       "",
       "print the completion script of a shell",
       "",
       {{"SHELL", ValueKind::kChoice, "the shell", true, false, "bash|zsh|fish"}},
       {},
       {"completion bash > ~/.local/share/bash-completion/completions/penstock"},
       Completion},
      {"version",
       "",
       "print the version",
       "",
       {},
       {{"server", 0, ValueKind::kNone, "", "ask the cluster: schedulers, domains and owners"}},
       {"version", "version --server"},
       Version},
      {"help",
       "",
       "explain a command",
       "",
       {{"COMMAND", ValueKind::kText, "noun and verb", false, true}},
       {{"markdown", 0, ValueKind::kNone, "", "the whole reference as Markdown"}},
       {"help dag trigger", "help --markdown > cli.md"},
       Help},
  };
}

}  // namespace penstock::client
