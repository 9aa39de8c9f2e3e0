// Building a domain from durable facts. Everything derived (counters, lines, limits in use) is
// computed anew, so a takeover, a reload and a first start are the same thing.
#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "scheduler/core/domain.h"

namespace penstock::core {

Domain::Domain(DomainOptions options, DomainFacts facts, const VersionMap& versions, Now now)
    : options_(std::move(options)),
      loaded_at_(now.steady),
      id_(facts.domain),
      epoch_(facts.epoch),
      first_attempt_(facts.first_attempt),
      admission_(sessions_, options_.ageing_bound),
      careful_(options_.careful) {
  LoadCatalog(facts);
  LoadSessions(facts, now);
  for (RunRow& row : facts.runs) {
    const auto topology = versions.find(row.version);
    PENSTOCK_CHECK(topology != versions.end(), "the carrier loads the versions of live runs");
    AddRun(row, AddVersion(row.version, topology->second));
  }
  for (const TaskRow& row : facts.tasks) {
    if (Run* run = FindRun(row.key.run)) LoadTask(*run, row);
  }
  for (auto& [id, run] : runs_) {
    const auto poison = options_.quarantine.find(id);
    if (poison != options_.quarantine.end()) Quarantine(*run, poison->second);
    if (careful_ && !run->row.quarantined) {
      to_begin_.insert(id);
    } else {
      BeginRun(*run, now);
    }
  }
  for (auto& [id, dag] : dags_) StartQueued(dag, now);
}

void Domain::LoadCatalog(const DomainFacts& facts) {
  for (const NamespaceRow& row : facts.namespaces) {
    namespaces_[row.id] = row;
    admission_.SetNamespaceWeight(row.id, row.weight);
  }
  for (const DagRow& row : facts.dags) dags_[row.id].row = row;
  for (const PoolRow& row : facts.pools) admission_.SetPool(row);
}

// A session of this owner's own time keeps the trust it had. One of a former owner may have been
// confirmed until that owner's lease ended: it is trusted for the takeover wait, counted from when
// this process first saw a later epoch than the session's last hello.
SteadyTime Domain::TrustAfterLoad(const SessionRow& row, Now now) const {
  if (const auto it = options_.trust.find(row.info.id); it != options_.trust.end()) {
    return it->second;
  }
  SteadyTime since = now.steady;
  const auto seen = options_.epochs_seen.upper_bound(row.hello_epoch);
  if (seen != options_.epochs_seen.end()) since = std::min(since, seen->second);
  return since + options_.terms.takeover_wait();
}

void Domain::LoadSessions(const DomainFacts& facts, Now now) {
  for (const SessionRow& row : facts.sessions) {
    sessions_.Add(row.info).trusted_until = TrustAfterLoad(row, now);
  }
}

std::shared_ptr<const Version> Domain::AddVersion(
    VersionId id, const std::shared_ptr<const dag::Topology>& topology) {
  std::shared_ptr<const Version>& version = versions_[id];
  if (version == nullptr) {
    version = std::make_shared<const Version>(
        id, topology, [this](const dag::TaskSettings& s) { return admission_.ClassOf(s); });
  }
  return version;
}

Run& Domain::AddRun(const RunRow& row, std::shared_ptr<const Version> version) {
  auto run = std::make_unique<Run>();
  run->row = row;
  run->version = std::move(version);
  run->ns = dags_[row.dag].row.ns;
  run->info = std::make_shared<const RunInfo>(
      RunInfo{row.id, row.version, row.key, row.logical_date_us, row.params_json});
  run->counts[static_cast<size_t>(TaskState::kWaiting)] = static_cast<int32_t>(run->task_count());
  run->held = true;
  backlog_bytes_ += BacklogBytes(row.key, row.params_json, row.note);
  AddKeys(row);
  return *(runs_[row.id] = std::move(run));
}

void Domain::AddKeys(const RunRow& row) {
  if (!row.key.empty()) by_key_[{row.dag, row.key}] = row.id;
  if (!row.idempotency_key.empty()) by_idempotency_[{row.dag, row.idempotency_key}] = row.id;
  if (row.logical_date_us != 0) by_logical_date_[{row.dag, row.logical_date_us}] = row.id;
}

void Domain::ForgetKeys(const RunRow& row) {
  by_key_.erase({row.dag, row.key});
  by_idempotency_.erase({row.dag, row.idempotency_key});
  by_logical_date_.erase({row.dag, row.logical_date_us});
}

void Domain::LoadTask(Run& run, const TaskRow& row) {
  if (row.key.task < 0 || static_cast<uint32_t>(row.key.task) >= run.task_count()) return;
  if (!run.started()) run.instances.resize(run.task_count());
  if (run.propagated.empty()) run.propagated.resize(run.task_count());
  Instance& inst = run.at(row.key.task);
  inst.attempt = row.attempt;
  inst.tries = static_cast<uint16_t>(row.tries);
  inst.infra_tries = static_cast<uint8_t>(row.infra_tries);
  --run.counts[static_cast<size_t>(TaskState::kWaiting)];
  ++run.counts[static_cast<size_t>(row.state)];
  inst.state = row.state;
  if (row.state == TaskState::kWaiting) run.cleared = true;
  if (IsTerminal(row.state)) run.propagated[static_cast<size_t>(row.key.task)] = true;
  if (row.state == TaskState::kSkipped && row.cause == Cause::kRunTimeout) {
    run.timed_out.insert(static_cast<uint32_t>(row.key.task));
  }
  if (row.state == TaskState::kUpForRetry) {
    run.retries.push_back({row.retry_at_us, row.key, row.attempt});
  }
  if (!IsLive(row.state)) return;
  Session* session = sessions_.Find(row.session);
  PENSTOCK_CHECK(session != nullptr, "a lease's session is part of the facts");
  session->leases.insert(row.key);
  admission_.Charge(run.version->class_of(static_cast<uint32_t>(row.key.task)), session);
  live_[row.key] = Live{row.session, row.started_us, 0, row.state == TaskState::kRunning, {}};
  ++run.live;
}

// Puts a loaded run where it belongs: in its DAG's queue, or to work. One in quarantine only takes
// its place among the active runs.
void Domain::BeginRun(Run& run, Now now) {
  DagState& dag = dags_[run.row.dag];
  if (run.row.state == RunState::kQueued) {
    run.begun = !run.row.quarantined;
    if (run.begun) dag.queued.insert(run.row.id);
    return;
  }
  dag.running.insert(run.row.id);
  ++dag.active;
  run.instances.resize(run.task_count());
  run.propagated.resize(run.task_count());
  if (!run.row.quarantined) StartRun(run, now);
}

}  // namespace penstock::core
