#pragma once
// Shell completion. The shells call `penstock __complete -- WORD...`; all knowledge is here.
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/command.h"

namespace penstock::client {

struct Candidate {
  std::string text;
  std::string help;  // may be empty
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

struct Completions {
  std::vector<Candidate> candidates;
  bool files = false;  // the shell is to add file names
};

// What exists on the server, for DAGs, runs, tasks (`run` is the word before), pools and so on.
// `flags` are those of the command line so far. May be empty: then only the table is used.
using Lookup = std::function<std::vector<Candidate>(
    ValueKind kind, std::string_view run, const std::map<std::string, std::string>& flags)>;

// Candidates for the last of `words` (which may be empty) behind "penstock", in order, all
// beginning with it.
Completions Complete(const CommandTable& table, const std::vector<std::string>& words,
                     const Lookup& lookup);

// The script to be sourced by "bash", "zsh" or "fish"; empty for others.
std::string CompletionScript(std::string_view shell);

}  // namespace penstock::client
