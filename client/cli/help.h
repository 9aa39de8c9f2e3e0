#pragma once
// Help from the command table. Pure.
#include <string>
#include <string_view>

#include "client/cli/command.h"

namespace penstock::client {

std::string HelpOverview(const CommandTable& table);
// The verbs of a noun.
std::string HelpNoun(const CommandTable& table, std::string_view noun);
std::string HelpCommand(const CommandTable& table, const CommandSpec& command);
// The whole reference, for the documentation.
std::string HelpMarkdown(const CommandTable& table);

// "penstock dag trigger DAG [flags]".
std::string UsageLine(const CommandSpec& command);

}  // namespace penstock::client
