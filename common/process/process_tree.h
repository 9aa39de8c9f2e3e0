#pragma once
// Finding and ending whole trees of processes by /proc. Linux.
//
// A tree is "everything below a process". It stays complete when that process is a child subreaper
// (PR_SET_CHILD_SUBREAPER): whoever double-forks or calls setsid is then handed back to it.
#include <sys/types.h>

#include <string_view>
#include <vector>

#include "common/process/pid_identity.h"

namespace penstock::process {

// All processes that /proc shows now, in no order. Processes may come and go meanwhile.
std::vector<ProcessStat> ListProcesses();

// Those of `all` below `root` (children, their children, ...), without `root`. Children of `root`
// listed in `spared` are left out together with all below them.
std::vector<ProcessStat> Descendants(pid_t root, const std::vector<pid_t>& spared,
                                     const std::vector<ProcessStat>& all);

// One strike at all living descendants of `root` but the spared: stops them all first, so that
// none can fork on, then sends SIGKILL. Returns how many there were. Only the parents can reap;
// a caller that is `root` and a subreaper reaps and strikes again until nothing is left:
//   while (reap everything; children left) StrikeDescendants(getpid(), {});
// A family in which every process leaves for a session of its own and forks two more faster than
// /proc can be read can outrun this; one that only moves on, or stays in groups, cannot.
int StrikeDescendants(pid_t root, const std::vector<pid_t>& spared = {});

// Processes whose initial environment holds `entry` ("KEY=value", exactly). Processes of other
// users are not seen unless the caller is root, and a process can have overwritten its own.
std::vector<PidIdentity> FindByEnvironment(std::string_view entry);

}  // namespace penstock::process
