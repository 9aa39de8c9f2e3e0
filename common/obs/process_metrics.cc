#include "common/obs/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <system_error>

#include "common/base/mutex.h"

namespace penstock::obs {
namespace {

struct Usage {
  double cpu_seconds = 0;
  double start_seconds = 0;  // since the machine's boot
  double resident_bytes = 0;
  double virtual_bytes = 0;
};

// proc(5): the fields of /proc/self/stat after the process name's closing parenthesis, of which
// the first is number 3.
Usage ReadUsage() {
  std::ifstream file("/proc/self/stat");
  file.ignore(std::numeric_limits<std::streamsize>::max(), ')');
  std::string state;
  file >> state;
  double fields[25] = {};  // fields[n] is field n of the manual
  for (size_t n = 4; n <= 24; ++n) file >> fields[n];
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {(fields[14] + fields[15]) / ticks, fields[22] / ticks, fields[24] * page, fields[23]};
}

double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

double CountOpenFds() {
  std::error_code error;
  const std::filesystem::directory_iterator begin("/proc/self/fd", error);
  if (error) return 0;
  const auto count = std::distance(begin, std::filesystem::directory_iterator());
  return static_cast<double>(count - 1);  // without the one that reads the directory
}

double MaxFds() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

class ProcessCollector {
 public:
  explicit ProcessCollector(Registry* registry)
      : cpu_(registry->AddCounter("process_cpu_seconds_total",
                                  "User and system CPU time spent, in seconds.")),
        resident_(registry->AddGauge("process_resident_memory_bytes", "Resident memory size.")),
        virtual_(registry->AddGauge("process_virtual_memory_bytes", "Virtual memory size.")),
        open_fds_(registry->AddGauge("process_open_fds", "Open file descriptors.")),
        max_fds_(registry->AddGauge("process_max_fds", "Limit of open file descriptors.")),
        start_(registry->AddGauge("process_start_time_seconds",
                                  "Start of the process, in seconds since the Unix epoch.")) {}

  void Refresh() {
    const Usage usage = ReadUsage();
    MutexLock lock(&mu_);
    cpu_.Increment(std::max(0.0, usage.cpu_seconds - cpu_.Value()));
    resident_.Set(usage.resident_bytes);
    virtual_.Set(usage.virtual_bytes);
    open_fds_.Set(CountOpenFds());
    max_fds_.Set(MaxFds());
    start_.Set(BootTime() + usage.start_seconds);
  }

 private:
  Mutex mu_;  // two scrapes at once must not both add the same CPU time
  Counter cpu_ ABSL_GUARDED_BY(mu_);
  Gauge resident_ ABSL_GUARDED_BY(mu_);
  Gauge virtual_ ABSL_GUARDED_BY(mu_);
  Gauge open_fds_ ABSL_GUARDED_BY(mu_);
  Gauge max_fds_ ABSL_GUARDED_BY(mu_);
  Gauge start_ ABSL_GUARDED_BY(mu_);
};

std::string CompilerName() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#else
  return "gcc " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#endif
}

}  // namespace

void AddProcessMetrics(Registry* registry) {
  // Shared with the copies of the function that the registry makes.
  auto collector = std::make_shared<ProcessCollector>(registry);
  collector->Refresh();
  registry->AddCollector([collector] { collector->Refresh(); });
}

void AddBuildInfo(Registry* registry, const std::string& version, const std::string& role) {
  registry
      ->AddGauge("penstock_build_info", "The build of this process; the value is always 1.",
                 {{"version", version}, {"role", role}, {"compiler", CompilerName()}})
      .Set(1);
}

}  // namespace penstock::obs
