#pragma once
// The command line against the table. Pure.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/command.h"

namespace penstock::client {

// A command line that fits the table: all values are of their kinds, all required arguments there.
struct Invocation {
  const CommandSpec* command = nullptr;  // null: help for `noun`, or the overview
  std::string noun;                      // with a null command; "" = the overview
  bool help = false;
  std::vector<std::string> args;
  std::map<std::string, std::vector<std::string>, std::less<>> flags;  // by long name

  bool Has(std::string_view flag) const { return flags.find(flag) != flags.end(); }
  // The last value given; nullopt = not given.
  std::optional<std::string> Find(std::string_view flag) const;
  std::string Text(std::string_view flag, std::string_view otherwise = "") const;
  int64_t Number(std::string_view flag, int64_t otherwise) const;
  absl::Duration Duration(std::string_view flag, absl::Duration otherwise) const;
  std::optional<int64_t> Size(std::string_view flag) const;
  // All values, in the order given.
  std::vector<std::string> All(std::string_view flag) const;
};

// `words` without the program's name. Flags may stand anywhere behind the word they belong to,
// "--" ends them; global ones may come first. Errors are UsageErrors with a guess at what was
// meant; `hint` (may be null) is set to the command that would explain.
absl::StatusOr<Invocation> Parse(const CommandTable& table, const std::vector<std::string>& words,
                                 std::string* hint);

// nullopt: `text` is fine as a value of `flag`; else what is wrong with it.
std::optional<std::string> CheckValue(ValueKind kind, std::string_view choices,
                                      std::string_view text);

}  // namespace penstock::client
