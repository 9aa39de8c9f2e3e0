#include "client/cli/command.h"

#include <algorithm>

namespace penstock::client {
namespace {

template <typename Match>
const FlagSpec* FindIn(const std::vector<FlagSpec>& flags, Match match) {
  const auto found = std::find_if(flags.begin(), flags.end(), match);
  return found == flags.end() ? nullptr : &*found;
}

template <typename Match>
const FlagSpec* FindInBoth(const CommandTable& table, const CommandSpec* command, Match match) {
  const FlagSpec* own = command == nullptr ? nullptr : FindIn(command->flags, match);
  return own != nullptr ? own : FindIn(table.globals, match);
}

}  // namespace

const NounSpec* CommandTable::FindNoun(std::string_view name) const {
  const auto found = std::find_if(nouns.begin(), nouns.end(),
                                  [&](const NounSpec& noun) { return noun.name == name; });
  return found == nouns.end() ? nullptr : &*found;
}

const CommandSpec* CommandTable::Find(std::string_view noun, std::string_view verb) const {
  for (const CommandSpec& command : commands) {
    if (command.noun == noun && command.verb == verb) return &command;
    if (command.short_form && verb.empty() && command.verb == noun) return &command;
  }
  return nullptr;
}

const FlagSpec* CommandTable::FindFlag(const CommandSpec* command, std::string_view name) const {
  return FindInBoth(*this, command, [&](const FlagSpec& flag) { return flag.name == name; });
}

const FlagSpec* CommandTable::FindFlag(const CommandSpec* command, char letter) const {
  return FindInBoth(*this, command, [&](const FlagSpec& flag) { return flag.letter == letter; });
}

std::vector<std::string_view> CommandTable::FirstWords() const {
  std::vector<std::string_view> words;
  for (const NounSpec& noun : nouns) words.push_back(noun.name);
  for (const CommandSpec& command : commands) {
    if (command.verb.empty()) words.push_back(command.noun);
    if (command.short_form) words.push_back(command.verb);
  }
  return words;
}

std::vector<std::string_view> CommandTable::Verbs(std::string_view noun) const {
  std::vector<std::string_view> verbs;
  for (const CommandSpec& command : commands) {
    if (command.noun == noun && !command.verb.empty()) verbs.push_back(command.verb);
  }
  return verbs;
}

std::vector<std::string_view> SplitChoices(std::string_view choices) {
  std::vector<std::string_view> list;
  for (size_t begin = 0; begin <= choices.size();) {
    const size_t end = std::min(choices.find('|', begin), choices.size());
    list.push_back(choices.substr(begin, end - begin));
    begin = end + 1;
  }
  return list;
}

}  // namespace penstock::client
