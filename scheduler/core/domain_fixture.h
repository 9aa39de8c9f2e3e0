#pragma once
// A Domain with virtual time, DAGs made of literals, and workers that do as they are told. Nothing
// is stored: every batch is taken for committed at once.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/dag/spec.h"
#include "common/dag/topology.h"
#include "scheduler/core/domain.h"

namespace penstock::core {

using EditSettings = std::function<void(dag::TaskSettings&)>;

inline dag::TaskSpec MakeTask(const std::string& id, std::vector<uint32_t> needs = {},
                              const EditSettings& edit = nullptr) {
  dag::TaskSpec task;
  task.id = id;
  task.kind = dag::TaskKind::kSh;
  task.sh = "true";
  task.needs = std::move(needs);
  if (edit) task.settings.Change(edit);
  return task;
}

inline EditSettings InPool(const std::string& pool, int slots = 1) {
  return [pool, slots](dag::TaskSettings& s) {
    s.pool = pool;
    s.pool_slots = slots;
  };
}

inline dag::DagSpec MakeDag(std::vector<dag::TaskSpec> tasks) {
  dag::DagSpec spec;
  spec.tasks = std::move(tasks);
  return spec;
}

inline dag::DagSpec MakeWideDag(int tasks, const EditSettings& edit = nullptr) {
  dag::DagSpec spec;
  for (int i = 0; i < tasks; ++i) {
    spec.tasks.push_back(MakeTask("t" + std::to_string(1000 + i), {}, edit));
  }
  return spec;
}

class DomainFixture {
 public:
  // ---- Before Load ----
  DomainOptions options;
  DomainFacts facts;
  VersionMap versions;

  DomainFixture() {
    facts.domain = DomainId(1);
    facts.epoch = Epoch(1);
    facts.flush_seq = FlushSeq(1);
    AddNamespace(1, 1);
  }
  void AddNamespace(int id, int weight) {
    facts.namespaces.push_back({NamespaceId(id), "ns" + std::to_string(id), weight});
  }
  DagId AddDag(dag::DagSpec spec, int ns = 1) {
    DagRow row;
    row.id = DagId(static_cast<int64_t>(facts.dags.size()) + 1);
    row.ns = NamespaceId(ns);
    row.name = spec.dag = "dag" + std::to_string(row.id.value());
    row.version = VersionId(row.id.value());
    row.max_active_runs = spec.max_active_runs;
    versions[row.version] = std::make_shared<const dag::Topology>(std::move(spec));
    facts.dags.push_back(row);
    return row.id;
  }
  void AddPool(const std::string& name, int slots) { facts.pools.push_back({name, slots, ""}); }

  // ---- Driving ----
  void Load() {
    domain = std::make_unique<Domain>(options, facts, versions, now());
    Apply(IdsGranted{RunId(1), 1'000'000});
    for (const auto& [id, topology] : versions) Apply(VersionLoaded{id, topology});
    Settle();
  }
  // With one more DAG, and a worker that offers so many credits.
  DagId LoadWith(dag::DagSpec spec, int credits) {
    const DagId dag = AddDag(std::move(spec));
    Load();
    Worker(1, credits);
    return dag;
  }
  Now now() const { return {SteadyTime::FromMicros(us), absl::FromUnixMicros(us) + set}; }
  // Time passes, and all workers renew their leases; in Sleep nobody does.
  void Advance(absl::Duration d) {
    Sleep(d);
    for (const auto& [session, id] : binding) Apply(SessionConfirmed{session, now().steady});
  }
  void Sleep(absl::Duration d) { us += absl::ToInt64Microseconds(d); }
  // NOLINTNEXTLINE(readability-make-member-function-const): it changes what the fixture owns.
  void Apply(Event event) { domain->Apply(std::move(event), now()); }
  // All that is due; what it leads to goes into `effects`, the leases into `held` too.
  Effects Settle() {
    Effects all;
    for (bool more = true; more;) {
      while (domain->Work(now())) {
      }
      more = domain->HasEffects();
      if (!more) break;
      Effects e = domain->TakeEffects();
      for (const Assign& assign : e.assigns) held[assign.ref] = assign.session;
      Append(e, &all);
    }
    return all;
  }
  Reply Do(CommandBody body) {
    Command command;
    command.id = CommandId(++commands_);
    command.body = std::move(body);
    Apply(std::move(command));
    last = Settle();
    for (Reply& reply : last.replies) {
      if (reply.command == CommandId(commands_)) return std::move(reply);
    }
    Reply none;
    none.status = absl::UnavailableError("the command was put aside");
    return none;
  }
  RunId Create(DagId dag, const std::string& key = "") {
    NewRun run;
    run.dag = dag;
    run.key = key;
    run.looked_up = now().steady;
    const Reply reply = Do(CreateRuns{{run}});
    return reply.status.ok() ? reply.runs.front().id : RunId();
  }

  // ---- Workers ----
  SessionInfo Info(int64_t id) const {
    SessionInfo info;
    info.id = SessionId(id);
    info.name = "worker-" + std::to_string(id);
    info.queues = {"default"};
    info.slots = 1000;
    return info;
  }
  Effects Hello(const SessionInfo& info, int credits) {
    SessionHello hello;
    hello.info = info;
    hello.binding = BindingId(++bindings_);
    hello.credits = credits;
    for (const auto& [ref, session] : held) {
      if (session == info.id) hello.running.push_back(ref);
    }
    binding[info.id] = hello.binding;
    Apply(std::move(hello));
    return last = Settle();
  }
  Effects Worker(int64_t id, int credits) { return Hello(Info(id), credits); }
  Effects Grant(int64_t id, int credits) {
    Apply(CreditsGranted{SessionId(id), binding.at(SessionId(id)), credits});
    return last = Settle();
  }
  Effects End(const AttemptRef& ref, Outcome outcome = Outcome::kSuccess, Cause cause = {}) {
    AttemptResult result;
    result.ref = ref;
    result.outcome = outcome;
    result.cause = outcome == Outcome::kFailed && cause == Cause::kNone ? Cause::kExitCode : cause;
    const SessionId session = held.at(ref);
    held.erase(ref);
    Apply(AttemptEnded{session, std::move(result)});
    return last = Settle();
  }
  // Of the attempt of this instance that is leased now.
  Effects EndTask(RunId run, int task, Outcome outcome = Outcome::kSuccess, Cause cause = {}) {
    for (const auto& [ref, session] : held) {
      if (ref.key.run == run && ref.key.task == task) return End(AttemptRef(ref), outcome, cause);
    }
    return {};
  }

  // ---- Looks ----
  TaskState StateOf(RunId run, int task) const {
    const auto view = domain->ViewTask({run, task, -1});
    return view ? view->state : TaskState::kRemoved;
  }
  int32_t AttemptOf(RunId run, int task) const {
    return domain->ViewTask({run, task, -1})->attempt;
  }
  Reason ReasonOf(RunId run, int task) const { return domain->Explain({run, task, -1}).reason; }
  // How the run's row left memory, or kRunning while it lives.
  RunState EndOf(RunId run) const {
    const auto it = ended.find(run);
    return it == ended.end() ? RunState::kRunning : it->second;
  }
  int HeldOf(RunId run) const {
    int count = 0;
    for (const auto& [ref, session] : held) count += ref.key.run == run;
    return count;
  }
  int32_t PoolUsed(const std::string& name) const {
    for (const PoolView& pool : domain->Pools()) {
      if (pool.row.name == name) return pool.used;
    }
    return 0;
  }

  struct RefOrder {
    bool operator()(const AttemptRef& a, const AttemptRef& b) const {
      return std::pair(a.key, a.attempt) < std::pair(b.key, b.attempt);
    }
  };
  int64_t us = 1'000'000'000;
  absl::Duration set;  // by how much somebody has set the wall clock
  std::unique_ptr<Domain> domain;
  std::map<AttemptRef, SessionId, RefOrder> held;
  std::map<SessionId, BindingId> binding;
  std::map<RunId, RunState> ended;
  Effects last;

 private:
  template <typename T>
  static void Move(std::vector<T>& from, std::vector<T>* to) {
    for (T& item : from) to->push_back(std::move(item));
  }
  void Append(Effects& e, Effects* all) {
    for (const RunUpdate& u : e.batch.run_updates) Note(u.run, u.state);
    for (const RunRow& r : e.batch.new_runs) Note(r.id, r.state);
    Move(e.assigns, &all->assigns);
    Move(e.acks, &all->acks);
    Move(e.revokes, &all->revokes);
    Move(e.ended, &all->ended);
    Move(e.replies, &all->replies);
    Move(e.batch.new_runs, &all->batch.new_runs);
    Move(e.batch.run_updates, &all->batch.run_updates);
    Move(e.batch.decisions, &all->batch.decisions);
    Move(e.batch.completions, &all->batch.completions);
    Move(e.batch.dispatches, &all->batch.dispatches);
    Move(e.batch.started, &all->batch.started);
    Move(e.batch.attempts, &all->batch.attempts);
  }
  void Note(RunId run, RunState state) {
    ended.erase(run);
    if (IsTerminal(state)) ended[run] = state;
  }

  int64_t commands_ = 0;
  int64_t bindings_ = 0;
};

}  // namespace penstock::core
