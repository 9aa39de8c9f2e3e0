#include "client/cli/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/cli/text.h"
#include "client/lib/errors.h"
#include "client/lib/utf8.h"
#include "common/base/status_macros.h"
#include "common/dag/problems.h"
#include "common/dag/scalars.h"

namespace penstock::client {
namespace {

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& candidates,
                       std::string_view prefix = "") {
  const std::string_view closest = dag::Closest(word, candidates);
  return closest.empty() ? "" : fmt::format(" (did you mean \"{}{}\"?)", prefix, closest);
}

std::optional<int64_t> ToNumber(std::string_view text) {
  if (text.empty() || text.size() > 18 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return std::stoll(std::string(text));
}

// Goes through the words once, left to right.
class Parser {
 public:
  Parser(const CommandTable& table, const std::vector<std::string>& words)
      : table_(table), words_(words) {}

  absl::StatusOr<Invocation> Run() {
    bool flags_ended = false;
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (!IsUtf8(word)) return UsageError("an argument is not valid UTF-8");
      if (!flags_ended && word == "--") {
        flags_ended = true;
      } else if (!flags_ended && word.size() > 1 && word[0] == '-') {
        PENSTOCK_RETURN_IF_ERROR(word[1] == '-' ? LongFlag(word.substr(2)) : ShortFlags(word));
      } else {
        PENSTOCK_RETURN_IF_ERROR(Word(word));
      }
    }
    if (!result_.help) PENSTOCK_RETURN_IF_ERROR(CheckComplete());
    return std::move(result_);
  }

  // The command that explains what could have been typed.
  std::string HelpCommand() const {
    if (result_.command != nullptr)
      return fmt::format("penstock {} --help", result_.command->name());
    if (!result_.noun.empty()) return fmt::format("penstock {} --help", result_.noun);
    return "penstock --help";
  }

 private:
  absl::Status Word(const std::string& word) {
    if (result_.command != nullptr) return Argument(word);
    if (!result_.noun.empty()) return Verb(word);
    if (table_.FindNoun(word) != nullptr) {
      result_.noun = word;
      return absl::OkStatus();
    }
    result_.command = table_.Find(word, "");
    if (result_.command != nullptr) return absl::OkStatus();
    return UsageError(fmt::format("there is no command \"{}\"{}", Printable(word),
                                  DidYouMean(word, table_.FirstWords())));
  }

  absl::Status Verb(const std::string& word) {
    result_.command = table_.Find(result_.noun, word);
    if (result_.command != nullptr) return absl::OkStatus();
    return UsageError(
        fmt::format("there is no command \"{} {}\"{}", result_.noun, Printable(word),
                    DidYouMean(word, table_.Verbs(result_.noun), result_.noun + " ")));
  }

  absl::Status Argument(const std::string& word) {
    const auto& specs = result_.command->args;
    const size_t index = result_.args.size();
    const bool extra = index >= specs.size() && (specs.empty() || !specs.back().repeated);
    if (extra) {
      return UsageError(fmt::format(
          "\"{}\" takes {}, so what is \"{}\"?", result_.command->name(),
          specs.empty() ? "no arguments" : Count(static_cast<int64_t>(specs.size()), "argument"),
          Printable(word)));
    }
    const ArgSpec& spec = index < specs.size() ? specs[index] : specs.back();
    if (auto wrong = CheckValue(spec.kind, spec.choices, word)) {
      return UsageError(fmt::format("{}: {}", spec.name, *wrong));
    }
    result_.args.push_back(word);
    return absl::OkStatus();
  }

  absl::Status LongFlag(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const FlagSpec* flag = table_.FindFlag(result_.command, name);
    if (flag == nullptr) return UnknownFlag("--" + name, name);
    if (equals != std::string::npos) return Set(*flag, word.substr(equals + 1));
    return SetFromNext(*flag);
  }

  // "-f", "-fo json", "-ojson".
  absl::Status ShortFlags(const std::string& word) {
    for (size_t i = 1; i < word.size(); ++i) {
      const FlagSpec* flag = table_.FindFlag(result_.command, word[i]);
      if (flag == nullptr) return UnknownFlag(fmt::format("-{}", word.substr(i)), word.substr(i));
      if (flag->kind != ValueKind::kNone && i + 1 < word.size()) {
        return Set(*flag, word.substr(i + 1 + (word[i + 1] == '=' ? 1 : 0)));
      }
      PENSTOCK_RETURN_IF_ERROR(SetFromNext(*flag));
    }
    return absl::OkStatus();
  }

  absl::Status SetFromNext(const FlagSpec& flag) {
    if (flag.kind == ValueKind::kNone) return SetSwitch(flag);
    if (at_ + 1 >= words_.size()) {
      return UsageError(fmt::format("--{} needs a value ({})", flag.name, flag.value));
    }
    const std::string& value = words_[++at_];
    if (!IsUtf8(value)) return UsageError("an argument is not valid UTF-8");
    return Set(flag, value);
  }

  absl::Status SetSwitch(const FlagSpec& flag) {
    if (flag.name == "help") result_.help = true;
    result_.flags[flag.name] = {"true"};
    return absl::OkStatus();
  }

  absl::Status Set(const FlagSpec& flag, const std::string& value) {
    if (flag.kind == ValueKind::kNone) {
      return UsageError(fmt::format("--{} takes no value", flag.name));
    }
    if (auto wrong = CheckValue(flag.kind, flag.value, value)) {
      return UsageError(fmt::format("--{}: {}", flag.name, *wrong));
    }
    auto& values = result_.flags[flag.name];
    if (!flag.repeated && !values.empty()) {
      return UsageError(fmt::format("--{} is given twice", flag.name));
    }
    values.push_back(value);
    return absl::OkStatus();
  }

  absl::Status UnknownFlag(const std::string& shown, const std::string& name) const {
    std::vector<std::string_view> known;
    for (const FlagSpec& flag : table_.globals) known.push_back(flag.name);
    if (result_.command != nullptr) {
      for (const FlagSpec& flag : result_.command->flags) known.push_back(flag.name);
    }
    if (result_.command == nullptr) {
      return UsageError(fmt::format("unknown flag {} (a command's own flags come after it){}",
                                    Printable(shown), DidYouMean(name, known, "--")));
    }
    return UsageError(fmt::format("\"{}\" has no flag {}{}", result_.command->name(),
                                  Printable(shown), DidYouMean(name, known, "--")));
  }

  absl::Status CheckComplete() const {
    if (result_.command == nullptr) {
      if (result_.noun.empty()) return absl::OkStatus();
      return UsageError(fmt::format("what to do with \"{}\"? One of: {}", result_.noun,
                                    fmt::join(table_.Verbs(result_.noun), ", ")));
    }
    const auto& specs = result_.command->args;
    const size_t given = result_.args.size();
    if (given >= specs.size() || !specs[given].required) return absl::OkStatus();
    return UsageError(fmt::format("\"{}\" needs {} ({})", result_.command->name(),
                                  specs[given].name, specs[given].help));
  }

  const CommandTable& table_;
  const std::vector<std::string>& words_;
  size_t at_ = 0;
  Invocation result_;
};

}  // namespace

std::optional<std::string> Invocation::Find(std::string_view flag) const {
  const auto found = flags.find(flag);
  if (found == flags.end()) return std::nullopt;
  return found->second.back();
}

std::string Invocation::Text(std::string_view flag, std::string_view otherwise) const {
  return Find(flag).value_or(std::string(otherwise));
}

int64_t Invocation::Number(std::string_view flag, int64_t otherwise) const {
  const auto text = Find(flag);
  return text ? ToNumber(*text).value_or(otherwise) : otherwise;
}

absl::Duration Invocation::Duration(std::string_view flag, absl::Duration otherwise) const {
  const auto text = Find(flag);
  return text ? dag::ParseDuration(*text).value_or(otherwise) : otherwise;
}

std::optional<int64_t> Invocation::Size(std::string_view flag) const {
  const auto text = Find(flag);
  return text ? dag::ParseSize(*text) : std::nullopt;
}

std::vector<std::string> Invocation::All(std::string_view flag) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::vector<std::string>() : found->second;
}

std::optional<std::string> CheckValue(ValueKind kind, std::string_view choices,
                                      std::string_view text) {
  const std::string shown = Printable(text);
  if (kind == ValueKind::kNumber && !ToNumber(text)) {
    return fmt::format("\"{}\" is not a number", shown);
  }
  if (kind == ValueKind::kDuration && !dag::ParseDuration(text)) {
    return fmt::format("\"{}\" is not a duration (10s, 1h30m)", shown);
  }
  if (kind == ValueKind::kSize && !dag::ParseSize(text)) {
    return fmt::format("\"{}\" is not a size (512k, 16Mi)", shown);
  }
  if (kind != ValueKind::kChoice) {
    return text.empty() && kind != ValueKind::kText ? std::optional<std::string>("is empty")
                                                    : std::nullopt;
  }
  const auto known = SplitChoices(choices);
  if (std::find(known.begin(), known.end(), text) != known.end()) return std::nullopt;
  return fmt::format("\"{}\" is not one of {}{}", shown, fmt::join(known, ", "),
                     DidYouMean(text, known));
}

absl::StatusOr<Invocation> Parse(const CommandTable& table, const std::vector<std::string>& words,
                                 std::string* hint) {
  Parser parser(table, words);
  auto result = parser.Run();
  if (hint != nullptr) *hint = parser.HelpCommand();
  return result;
}

}  // namespace penstock::client
