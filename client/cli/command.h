#pragma once
// The vocabulary of the command table. Parsing, help, completion and the reference in Markdown are
// all made from it, so they cannot disagree.
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/errors.h"

namespace penstock::client {

class Session;

// What a value is: how it is checked and how it is completed.
enum class ValueKind {
  kNone,  // a switch
  kText,
  kNumber,    // >= 0
  kDuration,  // 10s, 1h30m
  kSize,      // 512k, 16Mi
  kChoice,    // one of `value`, separated by '|'
  kFile,
  kDag,
  kRun,  // an id, DAG/KEY, or a DAG for its newest run
  kTask,
  kPool,
  kWorker,
  kNamespace,
  kContext,
};

struct FlagSpec {
  std::string name;  // without the dashes
  char letter = 0;   // 0 = has no short form
  ValueKind kind = ValueKind::kNone;
  std::string value;  // what help calls the value, or the choices
  std::string help;
  bool repeated = false;
};

struct ArgSpec {
  std::string name;  // as help shows it, in capitals
  ValueKind kind = ValueKind::kText;
  std::string help;
  bool required = true;
  bool repeated = false;     // only the last
  std::string choices = {};  // kChoice
};

// Prints its result and returns what the process exits with. Errors are printed by the caller.
using Handler = absl::StatusOr<ExitCode> (*)(Session& session);

struct CommandSpec {
  std::string noun;     // "dag"; for commands without a verb the command itself
  std::string verb;     // "apply"; empty = none
  std::string summary;  // one line without a full stop
  std::string details;  // more; may be empty
  std::vector<ArgSpec> args;
  std::vector<FlagSpec> flags;
  std::vector<std::string> examples;  // without "penstock"
  Handler handler = nullptr;
  bool short_form = false;  // the verb alone means this command as well

  // "dag apply".
  std::string name() const { return verb.empty() ? noun : noun + " " + verb; }
};

struct NounSpec {
  std::string name;
  std::string summary;
};

struct CommandTable {
  std::vector<NounSpec> nouns;  // those with verbs, in the order of help
  std::vector<CommandSpec> commands;
  std::vector<FlagSpec> globals;

  const NounSpec* FindNoun(std::string_view name) const;
  // An empty verb finds commands without verb and short forms.
  const CommandSpec* Find(std::string_view noun, std::string_view verb) const;
  // A flag of `command` (may be null) or a global one, by long name or by letter.
  const FlagSpec* FindFlag(const CommandSpec* command, std::string_view name) const;
  const FlagSpec* FindFlag(const CommandSpec* command, char letter) const;
  // All first words: nouns, commands without verb, short forms.
  std::vector<std::string_view> FirstWords() const;
  std::vector<std::string_view> Verbs(std::string_view noun) const;
};

// "a|b" -> a, b.
std::vector<std::string_view> SplitChoices(std::string_view choices);

// The table itself (table of commands: commands.cc).
const CommandTable& Commands();

}  // namespace penstock::client
