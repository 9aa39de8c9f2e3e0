#include "client/cli/commands.h"

#include <iterator>
#include <utility>

namespace penstock::client {
namespace {

std::vector<FlagSpec> GlobalFlags() {
  return {
      {"output", 'o', ValueKind::kChoice, "table|json|jsonl|yaml", "how results are printed"},
      {"namespace", 'n', ValueKind::kNamespace, "NAME", "the namespace (PENSTOCK_NAMESPACE)"},
      {"address", 0, ValueKind::kText, "HOST:PORT", "schedulers to ask, a list (PENSTOCK_ADDRESS)"},
      {"context", 0, ValueKind::kContext, "NAME", "entry of the config file (PENSTOCK_CONTEXT)"},
      {"retry-for", 0, ValueKind::kDuration, "DURATION",
       "how long to go on when no scheduler answers (5s)"},
      {"no-color", 0, ValueKind::kNone, "", "no colours (also NO_COLOR=1)"},
      {"help", 'h', ValueKind::kNone, "", "what a command does"},
  };
}

CommandTable BuildTable() {
  CommandTable table;
  table.nouns = {{"dag", "definitions of work"},
                 {"run", "executions of a DAG"},
                 {"task", "task instances of a run"},
                 {"pool", "limits that tasks share"},
                 {"queue", "what waits for which workers"},
                 {"worker", "processes that run tasks"},
                 {"namespace", "boundaries between teams"}};
  for (auto* group : {&DagCommands, &RunCommands, &TaskCommands, &FleetCommands, &OtherCommands}) {
    std::vector<CommandSpec> commands = group();
    std::move(commands.begin(), commands.end(), std::back_inserter(table.commands));
  }
  table.globals = GlobalFlags();
  return table;
}

}  // namespace

const CommandTable& Commands() {
  static const CommandTable table = BuildTable();
  return table;
}

FlagSpec WatchFlag() {
  return {"watch", 'w', ValueKind::kNone, "",
          "follow the run until it ends; exit code 1 if it fails"};
}

FlagSpec LimitFlag() {
  return {"limit", 'l', ValueKind::kNumber, "N", "how many at most (100; 0 = all)"};
}

ArgSpec RunArg() {
  return {"RUN", ValueKind::kRun, "id of the run, DAG/KEY, or a DAG for its newest run"};
}

ArgSpec TaskArg() {
  return {"TASK", ValueKind::kTask, "id of the task, ID[INDEX] if it is mapped"};
}

ArgSpec DagArg() { return {"DAG", ValueKind::kDag, "name of the DAG"}; }

}  // namespace penstock::client
