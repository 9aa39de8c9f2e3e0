#include "client/cli/complete.h"

#include <algorithm>
#include <utility>

namespace penstock::client {
namespace {

// bash takes "--output=json" apart at '='; this puts it together again.
std::vector<std::string> JoinEquals(const std::vector<std::string>& words, bool* split) {
  std::vector<std::string> out;
  *split = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const bool join = words[i] == "=" && !out.empty() && out.back().substr(0, 2) == "--";
    if (!join) {
      out.push_back(words[i]);
      *split = false;
      continue;
    }
    *split = true;
    out.back() += "=" + (i + 1 < words.size() ? words[i + 1] : "");
    ++i;
  }
  return out;
}

// Follows the words before the one to be completed, without judging them.
class Walker {
 public:
  explicit Walker(const CommandTable& table) : table_(table) {}

  void Take(const std::string& word) {
    if (pending_ != nullptr) {
      flags_[pending_->name] = word;
      pending_ = nullptr;
    } else if (word.size() > 1 && word[0] == '-') {
      TakeFlag(word);
    } else {
      TakeWord(word);
    }
  }

  const CommandSpec* command() const { return command_; }
  const std::string& noun() const { return noun_; }
  const FlagSpec* pending() const { return pending_; }  // waits for its value
  const std::vector<std::string>& args() const { return args_; }
  const std::map<std::string, std::string>& flags() const { return flags_; }

 private:
  void TakeFlag(const std::string& word) {
    if (word[1] != '-') {
      const FlagSpec* flag = table_.FindFlag(command_, word[1]);
      if (flag != nullptr && flag->kind != ValueKind::kNone) TakeShort(*flag, word);
      return;
    }
    const size_t equals = word.find('=');
    const FlagSpec* flag = table_.FindFlag(command_, word.substr(2, equals - 2));
    if (flag == nullptr || flag->kind == ValueKind::kNone) return;
    if (equals == std::string::npos) {
      pending_ = flag;
    } else {
      flags_[flag->name] = word.substr(equals + 1);
    }
  }

  void TakeShort(const FlagSpec& flag, const std::string& word) {
    if (word.size() == 2) {
      pending_ = &flag;
    } else {
      flags_[flag.name] = word.substr(2);
    }
  }

  void TakeWord(const std::string& word) {
    if (command_ != nullptr) {
      args_.push_back(word);
    } else if (!noun_.empty()) {
      command_ = table_.Find(noun_, word);
    } else if (table_.FindNoun(word) != nullptr) {
      noun_ = word;
    } else {
      command_ = table_.Find(word, "");
    }
  }

  const CommandTable& table_;
  const CommandSpec* command_ = nullptr;
  std::string noun_;
  const FlagSpec* pending_ = nullptr;
  std::vector<std::string> args_;
  std::map<std::string, std::string> flags_;
};

// Collects what begins with a prefix.
class Collector {
 public:
  Collector(std::string prefix, const Lookup& lookup, const Walker& walker)
      : prefix_(std::move(prefix)), lookup_(lookup), walker_(walker) {}

  void Add(std::string text, std::string help = "") {
    if (text.substr(0, prefix_.size()) == prefix_) {
      result_.candidates.push_back({std::move(text), std::move(help)});
    }
  }
  // Values of a kind.
  void AddValues(ValueKind kind, std::string_view choices) {
    if (kind == ValueKind::kChoice) {
      for (const std::string_view choice : SplitChoices(choices)) Add(std::string(choice));
    } else if (kind == ValueKind::kFile) {
      result_.files = true;
    } else if (lookup_ && kind >= ValueKind::kDag) {
      const std::string run = walker_.args().empty() ? "" : walker_.args().front();
      for (Candidate& found : lookup_(kind, run, walker_.flags())) {
        Add(std::move(found.text), std::move(found.help));
      }
    }
  }
  Completions Take() { return std::move(result_); }

 private:
  const std::string prefix_;
  const Lookup& lookup_;
  const Walker& walker_;
  Completions result_;
};

void AddWords(const CommandTable& table, const Walker& walker, Collector* out) {
  if (!walker.noun().empty()) {
    for (const CommandSpec& command : table.commands) {
      if (command.noun == walker.noun()) out->Add(command.verb, command.summary);
    }
    return;
  }
  for (const NounSpec& noun : table.nouns) out->Add(noun.name, noun.summary);
  for (const CommandSpec& command : table.commands) {
    if (command.verb.empty()) out->Add(command.noun, command.summary);
    if (command.short_form) out->Add(command.verb, command.summary);
  }
}

void AddFlags(const CommandTable& table, const Walker& walker, Collector* out) {
  if (walker.command() != nullptr) {
    for (const FlagSpec& flag : walker.command()->flags) out->Add("--" + flag.name, flag.help);
  }
  for (const FlagSpec& flag : table.globals) out->Add("--" + flag.name, flag.help);
}

void AddArguments(const Walker& walker, Collector* out) {
  const auto& specs = walker.command()->args;
  if (specs.empty()) return;
  const size_t index = walker.args().size();
  if (index >= specs.size() && !specs.back().repeated) return;
  const ArgSpec& spec = specs[std::min(index, specs.size() - 1)];
  out->AddValues(spec.kind, spec.choices);
}

// "--output=js": candidates are whole words, or values alone where the shell has split the word.
Completions CompleteAssignment(const CommandTable& table, const Walker& walker,
                               const std::string& word, bool split, const Lookup& lookup) {
  const size_t equals = word.find('=');
  const FlagSpec* flag = table.FindFlag(walker.command(), word.substr(2, equals - 2));
  if (flag == nullptr) return {};
  Collector out(word.substr(equals + 1), lookup, walker);
  out.AddValues(flag->kind, flag->value);
  Completions found = out.Take();
  if (!split) {
    for (Candidate& candidate : found.candidates) {
      candidate.text.insert(0, word.substr(0, equals + 1));
    }
  }
  return found;
}

constexpr std::string_view kBash =
    R"(# penstock completion for bash: source <(penstock completion bash)
_penstock() {
  local line files= tab=$'\t'
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ':files' ]]; then
      files=1
    else
      COMPREPLY+=("${line%%"$tab"*}")
    fi
  done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
      COMPREPLY+=("$line")
    done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
  fi
}
complete -F _penstock penstock
)";

constexpr std::string_view kZsh = R"(#compdef penstock
# penstock completion for zsh: source <(penstock completion zsh), or as _penstock in $fpath
_penstock() {
  local line tab=$'\t'
  local -a found shown
  local files=
  while IFS= read -r line; do
    if [[ $line == ':files' ]]; then
      files=1
    else
      found+=("${line%%$tab*}")
      if [[ $line == *$tab* ]]; then
        shown+=("${line%%$tab*}  -- ${line#*$tab}")
      else
        shown+=("$line")
      fi
    fi
  done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#found )) && compadd -l -d shown -a found
  [[ -n $files ]] && _files
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _penstock "$@"
else
  compdef _penstock penstock
fi
)";

constexpr std::string_view kFish =
    R"(# penstock completion for fish: penstock completion fish | source
function __penstock_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ':files'
            __fish_complete_path (commandline -ct)
        else
            printf '%s\n' $line
        end
    end
end
complete -c penstock -f -a '(__penstock_complete)'
)";

}  // namespace

Completions Complete(const CommandTable& table, const std::vector<std::string>& words,
                     const Lookup& lookup) {
  bool split = false;
  const std::vector<std::string> all = JoinEquals(words, &split);
  const std::string last = all.empty() ? "" : all.back();
  Walker walker(table);
  for (size_t i = 0; i + 1 < all.size(); ++i) walker.Take(all[i]);
  Collector out(last, lookup, walker);
  if (walker.pending() != nullptr) {
    out.AddValues(walker.pending()->kind, walker.pending()->value);
  } else if (last.substr(0, 2) == "--" && last.find('=') != std::string::npos) {
    return CompleteAssignment(table, walker, last, split, lookup);
  } else if (!last.empty() && last[0] == '-') {
    AddFlags(table, walker, &out);
  } else if (walker.command() == nullptr) {
    AddWords(table, walker, &out);
  } else {
    AddArguments(walker, &out);
  }
  return out.Take();
}

std::string CompletionScript(std::string_view shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh);
  if (shell == "fish") return std::string(kFish);
  return "";
}

}  // namespace penstock::client
