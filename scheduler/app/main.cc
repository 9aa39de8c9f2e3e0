// penstock-scheduler: one member of a fleet of schedulers.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>

#include "common/obs/log.h"
#include "common/service/signals.h"
#include "scheduler/app/config.h"
#include "scheduler/app/server.h"

namespace {

using penstock::app::Invocation;

std::map<std::string, std::string> Variables(char** entries) {
  std::map<std::string, std::string> variables;
  for (char** entry = entries; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

// False when the parent has died before it could be noticed.
bool FollowParent() {
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  return getppid() == parent;
}

// Each worker, client and watcher is a connection; the usual soft limit is 1024.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Run(const Invocation& invocation) {
  penstock::obs::LogOptions log;
  log.format = invocation.config.log_format;
  log.level = invocation.config.log_level;
  log.role = "scheduler";
  log.node = invocation.config.name;
  penstock::obs::InitLog(log);
  if (invocation.config.exit_with_parent && !FollowParent()) return 1;
  RaiseFileLimit();
  for (const std::string& setting : invocation.given) {
    penstock::obs::Info("configured", {{"setting", setting}});
  }
  return penstock::app::RunScheduler(invocation.config);
}

}  // namespace

int main(int argc, char** argv, char** envp) {
  penstock::service::BlockShutdownSignals();
  const Invocation invocation =
      penstock::app::ReadInvocation({argv + 1, argv + argc}, Variables(envp));
  for (const std::string& problem : invocation.problems) {
    std::fprintf(stderr, "penstock-scheduler: %s\n", problem.c_str());
  }
  if (!invocation.problems.empty()) return 2;
  switch (invocation.action) {
    case Invocation::Action::kHelp:
      std::fputs(penstock::app::HelpText().c_str(), stdout);
      return 0;
    case Invocation::Action::kHelpMarkdown:
      std::fputs(penstock::app::HelpMarkdown().c_str(), stdout);
      return 0;
    case Invocation::Action::kVersion:
      std::puts("penstock-scheduler " PENSTOCK_VERSION);
      return 0;
    case Invocation::Action::kRun:
      return Run(invocation);
  }
  return 2;
}
