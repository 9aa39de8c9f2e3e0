#include "client/cli/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "client/cli/complete.h"
#include "client/cli/help.h"
#include "client/cli/server_lookup.h"
#include "client/cli/text.h"
#include "client/lib/errors.h"
#include "common/base/status.h"

namespace penstock::client {
namespace {

constexpr int64_t kMaxPort = 65535;

void PrintError(const absl::Status& status, const Environment& env) {
  *env.err << "penstock: " << PrintableLines(Message(status)) << "\n";
  if (ExitCodeOf(status) == ExitCode::kUnreachable) {
    *env.err << "Is a scheduler running there? --address or PENSTOCK_ADDRESS says where to ask; "
                "`penstock standalone --data DIR --detach` starts one.\n";
  }
}

// `penstock __complete -- WORD...`: one candidate per line, its help behind a tab.
int RunComplete(std::vector<std::string> words, const Environment& env) {
  words.erase(words.begin());
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  const Completions found = Complete(Commands(), words, ServerLookup(env));
  for (const Candidate& candidate : found.candidates) {
    *env.out << Printable(candidate.text);
    if (!candidate.help.empty()) *env.out << "\t" << Printable(candidate.help);
    *env.out << "\n";
  }
  if (found.files) *env.out << ":files\n";
  return 0;
}

void PrintHelp(const Invocation& call, const Environment& env) {
  const CommandTable& table = Commands();
  if (call.command != nullptr) {
    *env.out << HelpCommand(table, *call.command);
  } else {
    *env.out << (call.noun.empty() ? HelpOverview(table) : HelpNoun(table, call.noun));
  }
}

absl::StatusOr<Settings> ResolveSettings(const Invocation& call, const Environment& env) {
  auto file = LoadConfig(env.get_env);
  if (!file.ok()) return file.status();
  return Resolve({call.Find("address"), call.Find("namespace"), call.Find("context")}, env.get_env,
                 *file);
}

absl::StatusOr<ExitCode> RunCommand(const Invocation& call, const Environment& env) {
  if (call.Number("port", 0) > kMaxPort) return UsageError("--port: at most 65535");
  auto settings = ResolveSettings(call, env);
  if (!settings.ok()) return settings.status();
  Session session(call, env, *std::move(settings));
  return call.command->handler(session);
}

}  // namespace

int RunCli(const std::vector<std::string>& words, const Environment& env) {
  if (!words.empty() && words.front() == "__complete") return RunComplete(words, env);
  std::string hint;
  const auto call = Parse(Commands(), words, &hint);
  if (!call.ok()) {
    PrintError(call.status(), env);
    *env.err << "Try: " << hint << "\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  if (call->help || call->command == nullptr) {
    PrintHelp(*call, env);
    return 0;
  }
  const auto code = RunCommand(*call, env);
  env.out->flush();
  if (!code.ok()) {
    PrintError(code.status(), env);
    return static_cast<int>(ExitCodeOf(code.status()));
  }
  if (!*env.out) {
    *env.err << "penstock: cannot write the output\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(*code);
}

}  // namespace penstock::client
