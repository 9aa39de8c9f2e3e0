// penstock-worker: runs tasks for the schedulers.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "common/obs/log.h"
#include "common/service/signals.h"
#include "worker/app/config.h"
#include "worker/app/server.h"

namespace {

using penstock::worker::Config;
using penstock::worker::Invocation;

std::map<std::string, std::string> Environment(char** envp) {
  std::map<std::string, std::string> variables;
  for (; *envp != nullptr; ++envp) {
    const std::string entry = *envp;
    const size_t equals = entry.find('=');
    if (equals != std::string::npos) variables[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return variables;
}

void InitLog(const Config& config) {
  penstock::obs::LogOptions options;
  options.format = config.log_format;
  options.level = config.log_level;
  options.role = "worker";
  options.node = config.name;
  penstock::obs::InitLog(options);
}

// The guardian sees to the attempts when this process is killed.
bool TieToParent() {
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  return getppid() == parent;
}

int Run(const Invocation& invocation) {
  InitLog(invocation.config);
  if (invocation.action == Invocation::Action::kReportDeath) {
    return penstock::worker::ReportDeaths(invocation.config);
  }
  if (invocation.config.exit_with_parent && !TieToParent()) return 1;
  for (const std::string& given : invocation.given) {
    penstock::obs::Info("configured", {{"setting", given}});
  }
  return penstock::worker::RunWorker(invocation.config);
}

}  // namespace

int main(int argc, char** argv, char** envp) {
  penstock::service::BlockShutdownSignals();
  const Invocation invocation =
      penstock::worker::ReadInvocation({argv + 1, argv + argc}, Environment(envp));
  for (const std::string& problem : invocation.problems) {
    std::fprintf(stderr, "penstock-worker: %s\n", problem.c_str());
  }
  if (!invocation.problems.empty()) return 2;
  switch (invocation.action) {
    case Invocation::Action::kHelp:
      std::fputs(penstock::worker::HelpText().c_str(), stdout);
      return 0;
    case Invocation::Action::kHelpMarkdown:
      std::fputs(penstock::worker::HelpMarkdown().c_str(), stdout);
      return 0;
    case Invocation::Action::kVersion:
      std::puts("penstock-worker " PENSTOCK_VERSION);
      return 0;
    case Invocation::Action::kRun:
    case Invocation::Action::kReportDeath:
      return Run(invocation);
  }
  return 2;
}
