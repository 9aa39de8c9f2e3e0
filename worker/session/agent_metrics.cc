#include "worker/session/agent_metrics.h"

#include <string>

namespace penstock::worker {

namespace {

constexpr char kResults[] = "penstock_worker_results_total";
constexpr char kResultsHelp[] = "Attempts that ended here, by outcome and cause.";

double LeaseSeconds(SteadyTime deadline, SteadyTime now) {
  if (deadline == SteadyTime::Infinite()) return 0;
  return absl::ToDoubleSeconds(deadline - now);
}

}  // namespace

std::string_view ToString(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess:
      return "success";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kSkipped:
      return "skipped";
    case Outcome::kFailedNoRetry:
      return "failed_no_retry";
  }
  return "unknown";
}

AgentMetrics::AgentMetrics(obs::Registry& registry)
    : registry_(registry),
      start_seconds_(registry.AddHistogram("penstock_worker_start_seconds",
                                           "From the order to the start of an attempt's process.",
                                           obs::DurationBuckets())),
      messages_(registry.AddCounter("penstock_worker_messages_total",
                                    "Messages received on control streams.")),
      successes_(registry.AddCounter(kResults, kResultsHelp,
                                     {{"outcome", "success"}, {"cause", "none"}})) {
  using L = const AgentLevels&;
  using T = SteadyTime;
  AddLevel("penstock_worker_slots", "Attempts that may run at once.",
           [](L levels, T) { return static_cast<double>(levels.slots); });
  AddLevel("penstock_worker_running", "Attempts that hold a slot.",
           [](L levels, T) { return static_cast<double>(levels.core.running); });
  AddLevel("penstock_worker_queued",
           "Attempts that wait here for a slot, resources or their version.",
           [](L levels, T) { return static_cast<double>(levels.core.queued); });
  AddLevel("penstock_worker_credits", "Credits that owners hold and have not used.",
           [](L levels, T) { return static_cast<double>(levels.core.credits); });
  AddLevel("penstock_worker_unacknowledged_results", "Results that no owner has acknowledged yet.",
           [](L levels, T) { return static_cast<double>(levels.core.unacknowledged); });
  AddLevel("penstock_worker_domains_bound", "Domains whose owner this worker serves now.",
           [](L levels, T) { return static_cast<double>(levels.core.bound_domains); });
  AddLevel("penstock_worker_control_streams", "Control streams that a scheduler has welcomed.",
           [](L levels, T) { return static_cast<double>(levels.streams); });
  AddLevel("penstock_worker_lease_remaining_seconds",
           "Time until the first lease that attempts depend on ends; 0 without attempts.",
           [](L levels, T now) { return LeaseSeconds(levels.core.first_deadline, now); });
  AddLevel("penstock_worker_draining", "1 while nothing new is taken.",
           [](L levels, T) { return levels.draining ? 1.0 : 0.0; });
  AddLevel("penstock_worker_log_buffered_bytes", "Output of attempts that is not stored yet.",
           [](L levels, T) { return static_cast<double>(levels.log_buffered_bytes); });
  AddLevel("penstock_worker_log_sent_bytes", "Output sent so far, repetitions included.",
           [](L levels, T) { return static_cast<double>(levels.log_sent_bytes); });
  AddLevel("penstock_worker_log_dropped_bytes", "Output dropped because it could not be stored.",
           [](L levels, T) { return static_cast<double>(levels.log_dropped_bytes); });
  AddLevel("penstock_worker_version_cache_bytes", "Memory of DAG versions and their files.",
           [](L levels, T) { return static_cast<double>(levels.version_bytes); });
}

void AgentMetrics::AddLevel(const char* name, const char* help, Level level) {
  levels_.emplace_back(registry_.AddGauge(name, help), level);
}

void AgentMetrics::Show(const AgentLevels& levels, SteadyTime now) {
  for (auto& [gauge, level] : levels_) gauge.Set(level(levels, now));
}

void AgentMetrics::CountResult(const Report& report) {
  if (report.outcome == Outcome::kSuccess) return successes_.Increment();
  registry_
      .AddCounter(kResults, kResultsHelp,
                  {{"outcome", std::string(ToString(report.outcome))},
                   {"cause", std::string(worker::ToString(report.cause))}})
      .Increment();
}

}  // namespace penstock::worker
