#pragma once
// The process_* metrics that Prometheus' own client libraries export, and the build's.
#include <string>

#include "common/obs/metrics.h"

namespace penstock::obs {

// Adds process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
// process_open_fds, process_max_fds and process_start_time_seconds, refreshed at each Render.
void AddProcessMetrics(Registry* registry);

// Adds penstock_build_info{version, role, compiler} = 1.
void AddBuildInfo(Registry* registry, const std::string& version, const std::string& role);

}  // namespace penstock::obs
