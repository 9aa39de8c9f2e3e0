// What goes wrong in a simulated cluster: when, to whom, and what then.
#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"
#include "scheduler/sim/database.h"
#include "scheduler/sim/sim_scheduler.h"
#include "scheduler/sim/sim_worker.h"
#include "scheduler/sim/world.h"

namespace penstock::sim {
namespace {

constexpr std::array<std::string_view, kFaultKinds> kKindNames = {
    "a scheduler is killed",
    "a scheduler is stopped",
    "a scheduler's database is cut off",
    "a worker's main process is killed",
    "a worker's main process is stopped",
    "a worker is killed whole",
    "a machine is lost",
    "the database is down",
    "the owner's database is cut off, a worker loses the others",
    "a worker's stream stalls",
    "a wall clock is set",
    "a run becomes poison",
    "a submit is poison"};
constexpr std::array<std::string_view, kMoments> kMomentNames = {"at any time",
                                                                 "after a flush was sent",
                                                                 "after a takeover was sent",
                                                                 "after a reload was sent",
                                                                 "after a domain was taken",
                                                                 "after a session was lost",
                                                                 "after a note was sent"};

}  // namespace

std::string_view ToString(FaultKind kind) { return kKindNames[static_cast<size_t>(kind)]; }
std::string_view ToString(Moment moment) { return kMomentNames[static_cast<size_t>(moment)]; }

// Each fault has a number and a random source of its own, and what it is depends on the numbers
// before it alone: leaving one out leaves the others what they are. Of two kinds drawn for a moment
// the one is taken that this moment has seen less of.
void World::PlanFault() {
  if (quiet_) return;
  const int number = next_fault_++;
  SplitMix64 random(SplitMix64(options_.seed + (static_cast<uint64_t>(number) << 32)).Next());
  loop_.After(100'000 + static_cast<int64_t>(random.Below(5'900'000)), [this] { PlanFault(); });
  const size_t moments = kMoments - (careful() ? 0 : kCarefulMoments);
  const size_t kinds = kFaultKinds - (careful() ? 0 : kPoisonKinds);
  const auto moment = random.OneIn(3) ? Moment::kAny : static_cast<Moment>(random.Below(moments));
  const auto one = static_cast<FaultKind>(random.Below(kinds));
  const auto other = static_cast<FaultKind>(random.Below(kinds));
  int& seen_one = planned_[{moment, one}];
  int& seen_other = planned_[{moment, other}];
  const FaultKind kind = seen_other < seen_one ? other : one;
  ++(seen_other < seen_one ? seen_other : seen_one);
  if (options_.skipped_faults.contains(number)) return;
  const PlannedFault fault{number, moment, kind, random};
  if (moment == Moment::kAny) {
    InjectFault(fault);
  } else {
    armed_.push_back(fault);
  }
}

void World::Reached(Moment moment) {
  const auto due = std::find_if(armed_.begin(), armed_.end(),
                                [&](const PlannedFault& fault) { return fault.moment == moment; });
  if (quiet_ || due == armed_.end()) return;
  PlannedFault fault = *due;
  armed_.erase(due);
  loop_.After(static_cast<int64_t>(fault.random.Below(1500)), [this, fault] {
    if (!quiet_) InjectFault(fault);
  });
}

void World::InjectFault(PlannedFault fault) {
  SplitMix64& random = fault.random;
  const auto micros = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.Below(static_cast<uint64_t>(high - low + 1)));
  };
  ++report_.faults;
  report_.met.insert({fault.moment, fault.kind});
  SimScheduler* scheduler = schedulers_[random.Below(schedulers_.size())].get();
  SimWorker* worker = workers_[random.Below(workers_.size())].get();
  const int64_t while_us =
      random.OneIn(3) ? micros(16'000'000, 45'000'000) : micros(50'000, 8'000'000);
  const std::string line =
      fmt::format("fault {}: {}, {}", fault.number, ToString(fault.kind), ToString(fault.moment));
  Tell(line);
  report_.story.push_back(
      fmt::format("{:.3f} s: {}", static_cast<double>(loop_.now_us()) / 1e6, line));
  switch (fault.kind) {
    case FaultKind::kKillScheduler:
      return KillScheduler(scheduler, micros(10'000, 5'000'000));
    case FaultKind::kStopScheduler:
      if (!scheduler->alive() || scheduler->paused()) return;
      scheduler->Pause();
      loop_.After(while_us, [scheduler, life = scheduler->life()] {
        if (scheduler->life() == life) scheduler->Resume();
      });
      return;
    case FaultKind::kCutDatabase:
      scheduler->CutDatabase(true);
      loop_.After(while_us, [scheduler] { scheduler->CutDatabase(false); });
      return;
    case FaultKind::kDatabaseDown:
      database_->Crash(micros(20'000, 8'000'000));
      return;
    case FaultKind::kCutOwner:
      return CutOwner(worker, while_us);
    case FaultKind::kStall:
      worker->Stall(static_cast<int>(random.Below(schedulers_.size())),
                    loop_.now_us() + micros(10'000, 20'000'000));
      return;
    case FaultKind::kSetClock: {
      const absl::Duration wrong = absl::Microseconds(micros(-7'200'000'000, 7'200'000'000));
      clocks_were_set_ = true;
      scheduler->SetClock(wrong);
      worker->SetClock(-wrong);
      loop_.After(while_us, [scheduler, worker] {
        scheduler->SetClock(absl::ZeroDuration());
        worker->SetClock(absl::ZeroDuration());
      });
      return;
    }
    case FaultKind::kPoisonRun:
      return PoisonARun();
    case FaultKind::kPoisonSubmit:
      return StartPoisonSubmits();
    case FaultKind::kKillMain:
    case FaultKind::kStopMain:
    case FaultKind::kKillWhole:
    case FaultKind::kLoseMachine:
      if (worker->alive()) StrikeWorker(fault.kind, worker, while_us, micros(100'000, 4'000'000));
      return;
  }
}

void World::KillScheduler(SimScheduler* scheduler, int64_t back_after_us) {
  if (!scheduler->alive()) return;
  scheduler->Kill();
  loop_.After(back_after_us, [scheduler, life = scheduler->life()] {
    if (scheduler->life() == life) scheduler->Start();
  });
}

void World::StrikeWorker(FaultKind kind, SimWorker* worker, int64_t while_us,
                         int64_t back_after_us) {
  if (kind == FaultKind::kStopMain) {
    if (worker->paused()) return;
    worker->Pause();
    loop_.After(while_us, [worker] {
      if (worker->alive() && worker->paused()) worker->Resume();
    });
    return;
  }
  if (kind == FaultKind::kKillMain) worker->KillMain();
  if (kind == FaultKind::kKillWhole) worker->KillAllAtOnce();
  if (kind == FaultKind::kLoseMachine) worker->LoseNode();
  const int64_t machine_us = kind == FaultKind::kLoseMachine ? 3'000'000 : 0;
  loop_.After(machine_us + back_after_us, [worker] { worker->Start(); });
}

// The owner loses the database, and a worker everybody but the owner.
void World::CutOwner(SimWorker* worker, int64_t while_us) {
  for (size_t i = 0; i < schedulers_.size(); ++i) {
    if (!schedulers_[i]->owns()) {
      worker->Stall(static_cast<int>(i), loop_.now_us() + while_us);
      continue;
    }
    schedulers_[i]->CutDatabase(true);
    loop_.After(while_us, [s = schedulers_[i].get()] { s->CutDatabase(false); });
  }
}

// ---- Poison ----

void World::PoisonARun() {
  if (poison_run_ || poison_submit_) return;
  for (const auto& [id, run] : store_.runs()) {
    if (core::IsTerminal(run.state) || run.intent != core::RunIntent::kNone) continue;
    Tell(fmt::format("run {} is poison", id.value()));
    poison_run_ = id;
    ++report_.poisons;
    return;
  }
}

void World::StartPoisonSubmits() {
  if (poison_run_ || poison_submit_) return;
  poison_submit_ = true;
  ++report_.poisons;
  SubmitPoison();
}

// Until it is refused.
void World::SubmitPoison() {
  if (!poison_submit_) return;
  loop_.After(1'000'000, [this] { SubmitPoison(); });
  for (auto& scheduler : schedulers_) {
    if (!scheduler->owns() || scheduler->paused()) continue;
    core::NewRun run;
    run.dag = dags_.front().id;
    run.note = kPoisonNote;
    scheduler->Execute(core::CreateRuns{{run}}, [this](const core::Reply& reply) {
      if (absl::IsInternal(reply.status)) poison_submit_ = false;
    });
    return;
  }
}

void World::PoisonKills(size_t scheduler) {
  // Four, and some more where a random fault or a long wait for a limit came in between.
  constexpr int kMostKills = 10;
  ++report_.poison_kills;
  if (++poison_kills_ == kMostKills) checker_.Violated(11, "one input has ended ten schedulers");
  Tell(fmt::format("poison ends scheduler {}", scheduler));
  SimScheduler* victim = schedulers_[scheduler].get();
  loop_.After(0, [victim, life = victim->life()] {
    if (victim->alive() && victim->life() == life) victim->Kill();
  });
  loop_.After(Micros(100'000, 1'000'000), [victim, life = victim->life()] {
    if (!victim->alive() && victim->life() == life + 1) victim->Start();
  });
}

// A user retries what is in quarantine: what is none of the poison at once (an owner was killed by
// something else at the wrong moment), the poison when what makes it one has been mended.
void World::ReleaseQuarantined() {
  for (const auto& [id, run] : store_.runs()) {
    if (!run.quarantined || core::IsTerminal(run.state)) continue;
    if (IsPoison(id)) {
      if (!random_.OneIn(6)) continue;
      Tell(fmt::format("run {} is no poison any more", id.value()));
      poison_run_ = RunId();
      poison_kills_ = 0;
      continue;  // retried at the next look
    }
    for (auto& scheduler : schedulers_) {
      if (!scheduler->owns() || scheduler->paused()) continue;
      ++report_.released;
      scheduler->Execute(core::RetryRun{id, nullptr}, [](const core::Reply&) {});
      break;
    }
  }
  loop_.After(5'000'000, [this] {
    if (!Done()) ReleaseQuarantined();
  });
}

}  // namespace penstock::sim
