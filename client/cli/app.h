#pragma once
// The program without its process: words in, exit code out.
#include <string>
#include <vector>

#include "client/cli/session.h"

namespace penstock::client {

// Runs the command that `words` (without the program's name) describe and returns the exit code
// (ExitCode). Everything is read and written through `env`.
int RunCli(const std::vector<std::string>& words, const Environment& env);

}  // namespace penstock::client
