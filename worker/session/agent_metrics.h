#pragma once
// What an agent counts.
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/obs/metrics.h"
#include "worker/core/result.h"
#include "worker/core/worker_core.h"

namespace penstock::worker {

// What is measured at the moment somebody looks.
struct AgentLevels {
  WorkerCore::Snapshot core;
  int slots = 0;
  int streams = 0;
  bool draining = false;
  size_t log_buffered_bytes = 0;
  int64_t log_sent_bytes = 0;
  int64_t log_dropped_bytes = 0;
  size_t version_bytes = 0;
};

// Thread-safe. The registry is borrowed.
class AgentMetrics {
 public:
  explicit AgentMetrics(obs::Registry& registry);

  void CountResult(const Report& report);
  // A success that needed no process.
  void CountInstant() { successes_.Increment(); }
  // From the order to the start of the process.
  void ObserveStart(absl::Duration took) { start_seconds_.Observe(took); }
  void CountMessage() { messages_.Increment(); }
  void Show(const AgentLevels& levels, SteadyTime now);

 private:
  using Level = double (*)(const AgentLevels& levels, SteadyTime now);
  void AddLevel(const char* name, const char* help, Level level);

  obs::Registry& registry_;
  std::vector<std::pair<obs::Gauge, Level>> levels_;
  obs::Histogram start_seconds_;
  obs::Counter messages_;
  obs::Counter successes_;
};

std::string_view ToString(Outcome outcome);

}  // namespace penstock::worker
