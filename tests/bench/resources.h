#pragma once
// What processes use, from /proc.
#include <sys/types.h>

#include <vector>

#include "absl/time/time.h"

namespace penstock::bench {

// User and system time of the processes and of the children that they have waited for, so far; one
// that is gone counts 0.
absl::Duration CpuTime(const std::vector<pid_t>& pids);

// Resident memory of a process in bytes; 0 when it is gone.
double ResidentBytes(pid_t pid);

}  // namespace penstock::bench
