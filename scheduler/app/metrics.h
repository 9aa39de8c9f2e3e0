#pragma once
// The scheduler's metrics: what engine, API and store tell, as Prometheus has it.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/mutex.h"
#include "common/obs/metrics.h"
#include "scheduler/api/api.h"
#include "scheduler/api/observer.h"
#include "scheduler/engine/fleet.h"
#include "scheduler/engine/observer.h"

namespace penstock::app {

// Counts flushes, loads and dispatches. Thread-safe.
class EngineMetrics final : public engine::EngineObserver {
 public:
  explicit EngineMetrics(obs::Registry* registry);
  void Flushed(DomainId domain, core::FlushVerdict verdict, size_t rows,
               absl::Duration took) override;
  void Loaded(DomainId domain, bool reload, bool ok, absl::Duration took) override;
  void Assigned(DomainId domain, size_t count, absl::Duration since_event,
                absl::Duration since_decision) override;

 private:
  obs::Registry& registry_;
  obs::Histogram flush_seconds_;
  obs::Histogram flush_rows_;
  obs::Histogram load_seconds_;
  obs::Counter dispatched_;
  obs::Histogram edge_seconds_;
  obs::Histogram dispatch_seconds_;
};

// Counts requests and open streams. Thread-safe.
class ApiMetrics final : public api::ApiObserver {
 public:
  explicit ApiMetrics(obs::Registry* registry) : registry_(*registry) {}
  void Answered(std::string_view method, absl::StatusCode code, absl::Duration took) override;
  void StreamOpen(std::string_view method, int change) override;

 private:
  obs::Registry& registry_;
};

// Times database statements by name; the store's StatementObserver. Thread-safe.
class StatementMetrics {
 public:
  explicit StatementMetrics(obs::Registry* registry) : registry_(*registry) {}
  void Ran(std::string_view name, double seconds, bool ok);

 private:
  obs::Registry& registry_;
};

// Gauges of the domains owned here, read from their owners when the metrics are asked for.
// Thread-safe.
class DomainMetrics {
 public:
  DomainMetrics(obs::Registry* registry, engine::Fleet& fleet, engine::SessionHub& hub);
  // Reads and sets; waits a moment at most for the owners.
  void Refresh() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Sums;
  void SetAll(Sums& sums) ABSL_LOCKS_EXCLUDED(mu_);
  void SetQueues(const std::map<std::string, core::QueueView>& queues)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  obs::Registry& registry_;
  engine::Fleet& fleet_;
  engine::SessionHub& hub_;
  Mutex mu_;
  std::set<std::string> queues_ ABSL_GUARDED_BY(mu_);  // those shown once are shown on, as 0
};

}  // namespace penstock::app
