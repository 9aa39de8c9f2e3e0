#include "scheduler/app/metrics.h"

#include <map>
#include <memory>
#include <utility>

#include "common/service/event.h"

namespace penstock::app {
namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(500);

std::string_view ToString(core::FlushVerdict verdict) {
  switch (verdict) {
    case core::FlushVerdict::kCommitted:
      return "committed";
    case core::FlushVerdict::kFenced:
      return "fenced";
    case core::FlushVerdict::kRejected:
      return "rejected";
    case core::FlushVerdict::kFailed:
      return "failed";
    case core::FlushVerdict::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace

// ---- Engine ----

EngineMetrics::EngineMetrics(obs::Registry* registry)
    : registry_(*registry),
      flush_seconds_(registry_.AddHistogram("penstock_flush_duration_seconds",
                                            "Time of one durable step of a domain.",
                                            obs::DurationBuckets())),
      flush_rows_(registry_.AddHistogram("penstock_flush_rows", "Rows of one durable step.",
                                         obs::CountBuckets())),
      load_seconds_(registry_.AddHistogram("penstock_load_duration_seconds",
                                           "Time to load a domain's facts.",
                                           obs::DurationBuckets())),
      dispatched_(registry_.AddCounter("penstock_dispatched_total",
                                       "Attempts given to workers, committed.")),
      edge_seconds_(registry_.AddHistogram(
          "penstock_edge_latency_seconds",
          "From the oldest event of a step to the sending of the attempts that follow from it.",
          obs::DurationBuckets())),
      dispatch_seconds_(registry_.AddHistogram(
          "penstock_dispatch_latency_seconds",
          "From the decision to start attempts to their sending: one commit, mostly.",
          obs::DurationBuckets())) {}

void EngineMetrics::Flushed(DomainId, core::FlushVerdict verdict, size_t rows,
                            absl::Duration took) {
  flush_seconds_.Observe(took);
  flush_rows_.Observe(static_cast<double>(rows));
  registry_
      .AddCounter("penstock_flushes_total", "Durable steps by outcome.",
                  {{"verdict", std::string(ToString(verdict))}})
      .Increment();
}

void EngineMetrics::Loaded(DomainId, bool reload, bool ok, absl::Duration took) {
  load_seconds_.Observe(took);
  registry_
      .AddCounter("penstock_loads_total", "Takeovers and reloads of domains.",
                  {{"kind", reload ? "reload" : "takeover"}, {"result", ok ? "ok" : "failed"}})
      .Increment();
}

void EngineMetrics::Assigned(DomainId, size_t count, absl::Duration since_event,
                             absl::Duration since_decision) {
  dispatched_.Increment(static_cast<double>(count));
  edge_seconds_.Observe(since_event);
  dispatch_seconds_.Observe(since_decision);
}

// ---- API ----

void ApiMetrics::Answered(std::string_view method, absl::StatusCode code, absl::Duration took) {
  const std::string name(method);
  registry_
      .AddCounter("penstock_api_requests_total", "Answered requests by method and status code.",
                  {{"method", name}, {"code", absl::StatusCodeToString(code)}})
      .Increment();
  registry_
      .AddHistogram("penstock_api_request_duration_seconds", "Time to answer a request.",
                    obs::DurationBuckets(), {{"method", name}})
      .Observe(took);
}

void ApiMetrics::StreamOpen(std::string_view method, int change) {
  registry_
      .AddGauge("penstock_api_streams", "Open streams by method.",
                {{"method", std::string(method)}})
      .Add(change);
}

// ---- Database ----

void StatementMetrics::Ran(std::string_view name, double seconds, bool ok) {
  const std::string statement(name);
  registry_
      .AddHistogram("penstock_db_statement_duration_seconds", "Time of database statements.",
                    obs::DurationBuckets(), {{"statement", statement}})
      .Observe(seconds);
  if (ok) return;
  registry_
      .AddCounter("penstock_db_statement_errors_total", "Database statements that failed.",
                  {{"statement", statement}})
      .Increment();
}

// ---- Domains ----

// What the owned domains add up to.
struct DomainMetrics::Sums {
  Mutex mu;
  size_t open ABSL_GUARDED_BY(mu) = 0;
  service::Event done;
  core::DomainStats stats ABSL_GUARDED_BY(mu);
  std::map<std::string, core::QueueView> queues ABSL_GUARDED_BY(mu);

  void Add(const core::DomainStats& more, const std::vector<core::QueueView>& views) {
    MutexLock lock(&mu);
    stats.live_runs += more.live_runs;
    stats.waiting += more.waiting;
    stats.ready += more.ready;
    stats.live += more.live;
    stats.sessions += more.sessions;
    stats.free_credits += more.free_credits;
    stats.blocked_pool += more.blocked_pool;
    stats.blocked_workers += more.blocked_workers;
    stats.blocked_run += more.blocked_run;
    stats.quarantined_runs += more.quarantined_runs;
    for (const core::QueueView& view : views) {
      core::QueueView& sum = queues[view.name];
      sum.ready += view.ready;
      sum.live += view.live;
      sum.workers += view.workers;
      sum.free_credits += view.free_credits;
    }
  }
  core::DomainStats TakeStats() {
    MutexLock lock(&mu);
    return stats;
  }
  std::map<std::string, core::QueueView> TakeQueues() {
    MutexLock lock(&mu);
    return std::move(queues);
  }
  void Close() {
    MutexLock lock(&mu);
    if (--open == 0) done.Set();
  }
};

DomainMetrics::DomainMetrics(obs::Registry* registry, engine::Fleet& fleet, engine::SessionHub& hub)
    : registry_(*registry), fleet_(fleet), hub_(hub) {}

void DomainMetrics::Refresh() {
  const std::vector<DomainId> owned = fleet_.Owned();
  registry_.AddGauge("penstock_owned_domains", "Domains that this scheduler owns.")
      .Set(static_cast<double>(owned.size()));
  registry_.AddGauge("penstock_worker_streams", "Workers connected to this scheduler.")
      .Set(static_cast<double>(hub_.stream_count()));
  const auto sums = std::make_shared<Sums>();  // shared with reads that come too late
  {
    MutexLock lock(&sums->mu);
    sums->open = owned.size() + 1;
  }
  for (DomainId domain : owned) {
    fleet_.Read(
        domain, [sums](const core::Domain& d) { sums->Add(d.Stats(), d.Queues()); },
        [sums](const absl::Status&) { sums->Close(); });
  }
  sums->Close();
  if (sums->done.WaitFor(kPatience)) SetAll(*sums);
}

void DomainMetrics::SetAll(Sums& sums) {
  MutexLock lock(&mu_);
  const auto instances = [this](const char* state, int64_t count) {
    registry_
        .AddGauge("penstock_task_instances", "Unfinished task instances of owned domains by state.",
                  {{"state", state}})
        .Set(static_cast<double>(count));
  };
  const auto blocked = [this](const char* reason, int64_t count) {
    registry_
        .AddGauge("penstock_admission_blocked",
                  "Ready task instances that something keeps from starting, by reason.",
                  {{"reason", reason}})
        .Set(static_cast<double>(count));
  };
  const core::DomainStats stats = sums.TakeStats();
  instances("waiting", stats.waiting);
  instances("ready", stats.ready);
  instances("leased", stats.live);
  blocked("pool", stats.blocked_pool);
  blocked("workers", stats.blocked_workers);
  blocked("run", stats.blocked_run);
  registry_.AddGauge("penstock_live_runs", "Unfinished runs of owned domains.")
      .Set(static_cast<double>(stats.live_runs));
  registry_.AddGauge("penstock_quarantined_runs", "Runs that are held because they do harm.")
      .Set(static_cast<double>(stats.quarantined_runs));
  registry_.AddGauge("penstock_sessions", "Worker sessions known to owned domains.")
      .Set(static_cast<double>(stats.sessions));
  registry_.AddGauge("penstock_free_credits", "Assignments that workers would take now.")
      .Set(static_cast<double>(stats.free_credits));
  SetQueues(sums.TakeQueues());
}

void DomainMetrics::SetQueues(const std::map<std::string, core::QueueView>& queues) {
  for (const auto& [name, view] : queues) queues_.insert(name);
  for (const std::string& name : queues_) {
    const auto found = queues.find(name);
    const core::QueueView view = found == queues.end() ? core::QueueView() : found->second;
    const obs::Labels labels = {{"queue", name}};
    registry_.AddGauge("penstock_queue_ready", "Ready task instances by queue.", labels)
        .Set(view.ready);
    registry_.AddGauge("penstock_queue_leased", "Leased and running attempts by queue.", labels)
        .Set(view.live);
    registry_.AddGauge("penstock_queue_workers", "Connected workers that serve the queue.", labels)
        .Set(view.workers);
    registry_
        .AddGauge("penstock_queue_free_credits", "Assignments that its workers would take.", labels)
        .Set(view.free_credits);
  }
}

}  // namespace penstock::app
