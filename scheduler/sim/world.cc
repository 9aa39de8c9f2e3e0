#include "scheduler/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "fmt/format.h"
#include "scheduler/sim/database.h"
#include "scheduler/sim/sim_scheduler.h"
#include "scheduler/sim/sim_worker.h"

namespace penstock::sim {
namespace {

constexpr DomainId kDomain(1);
constexpr NamespaceId kNamespace(1);
constexpr int64_t kQuietLimitUs = 400'000'000;  // of faultless time in which all runs must end

// A random DAG of up to 24 tasks: layers, trigger rules, retries, pools.
dag::DagSpec RandomDag(int number, SplitMix64& random) {
  static constexpr dag::TriggerRule kRules[] = {
      dag::TriggerRule::kAllSuccess, dag::TriggerRule::kAllSuccess, dag::TriggerRule::kAllSuccess,
      dag::TriggerRule::kAllDone,    dag::TriggerRule::kNoneFailed, dag::TriggerRule::kOneSuccess,
      dag::TriggerRule::kOneFailed,  dag::TriggerRule::kAllFailed,  dag::TriggerRule::kOneDone};
  dag::DagSpec spec;
  spec.dag = fmt::format("dag{}", number);
  spec.max_active_runs = 1 + static_cast<int>(random.Below(12));
  spec.max_active_tasks = random.OneIn(3) ? 1 + static_cast<int>(random.Below(6)) : 0;
  if (random.OneIn(6)) spec.run_timeout = absl::Seconds(5 + random.Below(30));
  const uint64_t count = 1 + random.Below(24);
  for (uint64_t t = 0; t < count; ++t) {
    dag::TaskSpec task;
    task.id = fmt::format("t{:02}", t);
    task.kind = dag::TaskKind::kNoop;
    task.noop_on_worker = random.OneIn(2);
    if (!task.noop_on_worker && !random.OneIn(5)) {
      task.kind = dag::TaskKind::kSh;
      task.sh = "true";
    }
    task.priority = static_cast<int32_t>(random.Below(4));
    if (t > 0) task.trigger_rule = kRules[random.Below(std::size(kRules))];
    for (uint64_t up = 0; up < t; ++up) {
      if (random.Below(t) < 2) task.needs.push_back(static_cast<uint32_t>(up));
    }
    task.settings.Change([&](dag::TaskSettings& s) {
      if (random.OneIn(3)) s.pool = random.OneIn(2) ? "small" : "large";
      s.pool_slots = 1 + static_cast<int32_t>(random.Below(2));
      s.retries.max = static_cast<int32_t>(random.Below(3));
      s.retries.initial = absl::Milliseconds(100 + random.Below(3000));
      s.retries.ceiling = absl::Seconds(10);
      s.retries.jitter = random.OneIn(2);
    });
    spec.tasks.push_back(std::move(task));
  }
  return spec;
}

}  // namespace

World::World(Options options)
    : options_(options),
      random_(options.seed),
      store_(kDomain, options.mutation),
      checker_(store_, versions_),
      database_(std::make_unique<Database>(*this)) {
  store_.AddNamespace({kNamespace, "default", 1});
  store_.on_commit = [this](const core::FlushBatch& batch) {
    checker_.OnCommit(batch);
    TellBatch(batch);
  };
  MakeVersions();
  for (int i = 0; i < options_.schedulers; ++i) {
    schedulers_.push_back(std::make_unique<SimScheduler>(*this, i));
  }
  for (int i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<SimWorker>(*this, i));
  }
}

World::~World() = default;

void World::Tell(const std::string& line) {
  if (options_.verbose) {
    std::fprintf(stderr, "%12.6f %s\n", static_cast<double>(loop_.now_us()) / 1e6, line.c_str());
  }
}

void World::TellBatch(const core::FlushBatch& batch) {
  if (!options_.verbose) return;
  for (const core::Dispatch& d : batch.dispatches) {
    Tell(fmt::format("leased run {} task {} attempt {} to session {}", d.key.run.value(),
                     d.key.task, d.attempt, d.session.value()));
  }
  for (const core::Completion& c : batch.completions) {
    Tell(fmt::format("recorded run {} task {} attempt {}: {} ({})", c.row.key.run.value(),
                     c.row.key.task, c.row.attempt, core::ToString(c.row.state),
                     core::ToString(c.row.cause)));
  }
}

void World::MakeVersions() {
  core::FlushBatch setup;
  for (int n = 1; n <= 12; ++n) {
    dag::DagSpec spec = RandomDag(n, random_);
    core::DagRow row;
    row.id = DagId(n);
    row.ns = kNamespace;
    row.name = spec.dag;
    row.version = VersionId(n);
    row.max_active_runs = spec.max_active_runs;
    versions_[row.version] = std::make_shared<const dag::Topology>(std::move(spec));
    setup.dags.push_back({row, false});
    dags_.push_back(row);
  }
  setup.pools.push_back({{"small", 3, ""}, false});
  setup.pools.push_back({{"large", 7, ""}, false});
  (void)store_.Flush(Epoch(), FlushSeq(1), setup);
}

// ---- Clients ----

void World::SubmitSome() {
  if (submitted_tasks_ >= options_.tasks) return;
  const core::DagRow& dag = dags_[random_.Below(dags_.size())];
  submitted_tasks_ += versions_.at(dag.version)->task_count();
  const int number = next_key_++;
  if (random_.OneIn(4)) {
    SubmitOnce(fmt::format("once-{}", number), dag.id);
  } else {
    ++outstanding_submits_;
    Submit(fmt::format("key-{}", number), dag.id);
  }
  // Bursts with pauses between them, so that faults meet both a busy and an idle cluster.
  const int64_t pause_us = random_.OneIn(8) ? Micros(100, 4'000'000) : Micros(100, 20'000);
  loop_.After(pause_us, [this] { SubmitSome(); });
}

// A submit without a key, sent once: it may be lost, but never doubled.
void World::SubmitOnce(const std::string& note, DagId dag) {
  for (auto& scheduler : schedulers_) {
    if (!scheduler->owns() || scheduler->paused()) continue;
    core::NewRun run;
    run.dag = dag;
    run.note = note;
    scheduler->Execute(core::CreateRuns{{run}}, [](const core::Reply&) {});
    return;
  }
}

// As a client does: look the key up, ask the owner, and ask again until there is an answer.
void World::Submit(const std::string& key, DagId dag) {
  if (checker_.acknowledged().contains(key)) {
    --outstanding_submits_;
    return;
  }
  loop_.After(1'000'000, [this, key, dag] { Submit(key, dag); });
  const core::RunRow* known = store_.FindByIdempotencyKey(key);
  if (known != nullptr && options_.mutation != Mutation::kForgetKeys) {
    checker_.OnRunAcknowledged(key, known->id);
    return;
  }
  for (auto& scheduler : schedulers_) {
    if (!scheduler->owns() || scheduler->paused()) continue;
    core::NewRun run;
    run.dag = dag;
    run.idempotency_key = key;
    run.looked_up = loop_.Steady();
    loop_.After(Micros(100, 3000), [this, key, s = scheduler.get(), run, life = scheduler->life()] {
      if (!s->alive() || s->life() != life) return;
      s->Run([this, key, s, run] {
        s->Execute(core::CreateRuns{{run}}, [this, key](const core::Reply& reply) {
          if (reply.status.ok()) checker_.OnRunAcknowledged(key, reply.runs.front().id);
        });
      });
    });
    // A second submit of the same key, with the look-up of the first.
    if (random_.OneIn(8)) SubmitAgain(scheduler.get(), run, key);
    return;
  }
}

void World::SubmitAgain(SimScheduler* scheduler, const core::NewRun& run, const std::string& key) {
  const bool forgetful = options_.mutation == Mutation::kForgetKeys;
  loop_.After(Micros(100, random_.OneIn(2) ? 200'000 : 20'000'000),
              [this, scheduler, run, key, forgetful, life = scheduler->life()] {
                if (!scheduler->alive() || scheduler->life() != life) return;
                scheduler->Run([this, scheduler, run, key, forgetful] {
                  core::NewRun again = run;
                  if (forgetful) again.looked_up = loop_.Steady();
                  scheduler->Execute(core::CreateRuns{{again}},
                                     [this, key](const core::Reply& reply) {
                                       if (reply.status.ok())
                                         checker_.OnRunAcknowledged(key, reply.runs.front().id);
                                     });
                });
              });
}

void World::UserActions() {
  if (quiet_) return;
  loop_.After(Micros(200'000, 3'000'000), [this] { UserActions(); });
  if (store_.runs().empty()) return;
  auto run = store_.runs().begin();
  std::advance(run, static_cast<int64_t>(random_.Below(store_.runs().size())));
  if (IsPoison(run->first)) return;  // nobody touches it
  for (auto& scheduler : schedulers_) {
    if (!scheduler->owns() || scheduler->paused()) continue;
    core::CommandBody body;
    switch (random_.Below(4)) {
      case 0:
        body = core::CancelRun{run->first};
        break;
      case 1: {
        auto facts = store_.LoadRun(run->first);
        body = core::RetryRun{run->first,
                              std::make_shared<const core::DomainFacts>(*std::move(facts))};
        break;
      }
      default: {
        const core::DagRow& dag = dags_[random_.Below(dags_.size())];
        body = core::SetDagPaused{dag.id, true};
        loop_.After(Micros(100'000, 2'000'000), [this, id = dag.id] { Unpause(id); });
        break;
      }
    }
    scheduler->Execute(std::move(body), [](const core::Reply&) {});
    return;
  }
}

void World::Unpause(DagId id) {
  const auto facts = store_.Facts();
  const bool paused = std::any_of(facts.dags.begin(), facts.dags.end(),
                                  [&](const auto& dag) { return dag.id == id && dag.paused; });
  if (!paused) {
    // The pause itself may still be on its way.
    if (!Done()) loop_.After(1'000'000, [this, id] { Unpause(id); });
    return;
  }
  for (auto& scheduler : schedulers_) {
    if (scheduler->owns() && !scheduler->paused()) {
      scheduler->Execute(core::SetDagPaused{id, false}, [](const core::Reply&) {});
      break;
    }
  }
  loop_.After(500'000, [this, id] { Unpause(id); });
}

void World::CheckDigests() {
  for (auto& scheduler : schedulers_) scheduler->CompareDigest();
  loop_.After(Micros(20'000, 400'000), [this] {
    if (!Done()) CheckDigests();
  });
}

bool World::Done() const {
  if (submitted_tasks_ < options_.tasks || outstanding_submits_ > 0) return false;
  return !poison_submit_ &&
         std::all_of(store_.runs().begin(), store_.runs().end(),
                     [](const auto& run) { return core::IsTerminal(run.second.state); });
}

Report World::Run() {
  for (auto& scheduler : schedulers_) scheduler->Start();
  for (auto& worker : workers_) worker->Start();
  SubmitSome();
  if (options_.users) UserActions();
  CheckDigests();
  ReleaseQuarantined();
  if (options_.faults) loop_.After(500'000, [this] { PlanFault(); });
  int64_t quiet_at_us = 0;
  int64_t next_look_us = 0;
  bool in_time = true;
  while (checker_.violations().empty() && loop_.Step()) {
    if (!quiet_ && submitted_tasks_ >= options_.tasks) {
      quiet_ = true;
      quiet_at_us = loop_.now_us();
      for (const core::DagRow& dag : dags_) {
        loop_.After(10'000'000, [this, id = dag.id] { Unpause(id); });
      }
    }
    if (loop_.now_us() < next_look_us) continue;
    next_look_us = loop_.now_us() + 200'000;
    if (Done()) break;
    if (quiet_ && loop_.now_us() > quiet_at_us + kQuietLimitUs) {
      in_time = false;
      break;
    }
  }
  // What still runs (attempts whose end nobody waits for) ends within a lease.
  const int64_t rest_us = loop_.now_us() + 45'000'000;
  while (checker_.violations().empty() && loop_.now_us() < rest_us && loop_.Step()) {
  }
  if (checker_.violations().empty()) checker_.OnQuiet(in_time);
  report_.violations = checker_.violations();
  report_.faults_planned = next_fault_;
  report_.completed = checker_.completed();
  report_.launched = checker_.launched();
  report_.virtual_seconds = static_cast<double>(loop_.now_us()) / 1e6;
  return report_;
}

}  // namespace penstock::sim
