#pragma once
// What processes use, from /proc.
#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace penstock::bench {

// User and system time of the processes and of the children that they have waited for, so far; one
// that is gone counts 0.
absl::Duration CpuTime(const std::vector<pid_t>& pids);

// Microseconds of each role for one of `count` items, from what the roles had used before and after
// them; roles that were not there before are left out.
std::map<std::string, double> CpuMicrosPerItem(const std::map<std::string, absl::Duration>& before,
                                               const std::map<std::string, absl::Duration>& after,
                                               double count);

// Resident memory of a process in bytes; 0 when it is gone.
double ResidentBytes(pid_t pid);

}  // namespace penstock::bench
