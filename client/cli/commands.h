#pragma once
// The command table, one function per group.
#include <vector>

#include "client/cli/command.h"

namespace penstock::client {

std::vector<CommandSpec> DagCommands();
std::vector<CommandSpec> RunCommands();
std::vector<CommandSpec> TaskCommands();
std::vector<CommandSpec> FleetCommands();  // pool, queue, worker, namespace
std::vector<CommandSpec> OtherCommands();  // standalone, completion, version, help

// Flags and arguments that several commands have.
FlagSpec WatchFlag();
FlagSpec LimitFlag();
ArgSpec RunArg();
ArgSpec TaskArg();
ArgSpec DagArg();

}  // namespace penstock::client
