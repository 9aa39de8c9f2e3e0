#include "tests/bench/resources.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "fmt/format.h"

namespace penstock::bench {

absl::Duration CpuTime(const std::vector<pid_t>& pids) {
  int64_t ticks = 0;
  for (const pid_t pid : pids) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(file, text);
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) continue;
    // After the name: state and ten more fields, then user and system time in ticks, then the
    // children's.
    size_t at = name_end + 1;
    for (int field = 0; field < 11; ++field) at = text.find(' ', at + 1);
    char* rest = text.data() + at;
    for (int field = 0; field < 4; ++field) ticks += std::strtoll(rest, &rest, 10);
  }
  return absl::Seconds(ticks) / sysconf(_SC_CLK_TCK);
}

std::map<std::string, double> CpuMicrosPerItem(const std::map<std::string, absl::Duration>& before,
                                               const std::map<std::string, absl::Duration>& after,
                                               double count) {
  std::map<std::string, double> micros;
  for (const auto& [role, now] : after) {
    const auto then = before.find(role);
    if (then == before.end()) continue;
    micros[role] = absl::ToDoubleMicroseconds(now - then->second) / count;
  }
  return micros;
}

double ResidentBytes(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  int64_t size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace penstock::bench
