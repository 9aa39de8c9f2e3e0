#include "scheduler/sim/sim_worker.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "scheduler/sim/sim_scheduler.h"

namespace penstock::sim {
namespace {

core::AttemptRef RefOf(const worker::AttemptKey& key) {
  return {{key.run, static_cast<int32_t>(key.task), key.map}, key.attempt};
}

worker::AttemptKey KeyOf(const core::AttemptRef& ref) {
  return {ref.key.run, static_cast<uint32_t>(ref.key.task), ref.key.map, ref.attempt};
}

std::string NameOf(const worker::AttemptKey& key) {
  return fmt::format("run {} task {} attempt {}", key.run.value(), key.task, key.attempt);
}

core::AttemptResult ResultOf(const worker::Result& result) {
  core::AttemptResult r;
  r.ref = RefOf(result.key);
  r.outcome = static_cast<core::Outcome>(result.report.outcome);
  r.cause = static_cast<core::Cause>(result.report.cause);
  r.started_us = result.report.started_at_us;
  r.finished_us = result.report.finished_at_us;
  return r;
}

}  // namespace

// The scheduler's end of a control stream.
class SimWorker::Stream : public engine::SessionStream {
 public:
  Stream(SimWorker& worker, worker::StreamId id) : worker_(worker), id_(id) {}
  void Offer(DomainId domain, Epoch epoch, int64_t number) override {
    worker_.Down(
        id_, [this, domain, epoch, number] { worker_.core_->Offered(id_, domain, epoch, number); });
  }
  void Withdraw(DomainId domain, Epoch epoch) override {
    worker_.Down(id_, [this, domain, epoch] {
      worker::Effects fx;
      worker_.core_->Ended(id_, domain, epoch, worker::EndReason::kNotOwner, &fx);
      worker_.Settle(std::move(fx));
    });
  }
  void Deliver(DomainId domain, Epoch epoch, engine::SessionMail mail) override {
    auto shared = std::make_shared<engine::SessionMail>(std::move(mail));
    worker_.Down(id_, [this, domain, epoch, shared] {
      worker_.Receive(id_, domain, epoch, std::move(*shared));
    });
  }
  void SetFleet(const std::vector<std::string>&) override {}

 private:
  SimWorker& worker_;
  const worker::StreamId id_;
};

SimWorker::SimWorker(World& world, int index) : world_(world), index_(index) {}

Now SimWorker::now() const {
  Now now = world_.loop().Read();
  now.wall += clock_wrong_;
  return now;
}

void SimWorker::Start() {
  ++life_;
  alive_ = true;
  paused_ = false;
  missed_.clear();
  deadlines_us_.clear();
  timer_at_us_ = 0;
  worker::WorkerCore::Options options;
  options.first_session = SessionId(static_cast<int64_t>(world_.random().Next() >> 1));
  options.seed = world_.random().Next();
  options.slots = world_.options().slots;
  options.max_prefetch = world_.options().slots;
  core_ = std::make_unique<worker::WorkerCore>(options);
  if (world_.options().mutation == Mutation::kNamesAreProof && life_ > 1) {
    const auto& neighbour =
        world_.workers()[(static_cast<size_t>(index_) + 1) % world_.workers().size()];
    if (neighbour->alive()) left_ = neighbour->sessions();
  }
  for (int s = 0; s < world_.options().schedulers; ++s) Connect(options.first_session, s);
  RenewLater();
}

void SimWorker::Run(std::function<void()> fn) {
  if (!alive_) return;
  if (paused_) {
    missed_.emplace_back([this, fn = std::move(fn), life = life_] {
      if (life == life_) fn();
    });
    return;
  }
  fn();
}

// ---- Faults ----

void SimWorker::KillAll() {
  for (const auto& [key, attempt] : running_) world_.checker().OnEnd(RefOf(key));
  running_.clear();
}

void SimWorker::KillMain() {
  world_.Tell(fmt::format("worker {} main killed", index_));
  const std::vector<SessionId> sessions = core_->sessions();
  alive_ = false;
  ++life_;
  std::vector<worker::StreamId> open;
  for (const auto& [id, link] : links_) open.push_back(id);
  for (worker::StreamId id : open) CloseLink(id);
  world_.loop().After(world_.Micros(1000, 50'000), [this, sessions] {
    KillAll();
    for (auto& scheduler : world_.schedulers()) {
      for (SessionId session : sessions) {
        world_.loop().After(world_.Micros(200, 5000), [&scheduler, session] {
          scheduler->Run([&scheduler, session] { scheduler->hub().OnSessionDead(session); });
        });
      }
    }
  });
}

void SimWorker::LoseNode() {
  world_.Tell(fmt::format("worker {} machine lost", index_));
  alive_ = false;
  ++life_;
  KillAll();
  std::vector<worker::StreamId> open;
  for (const auto& [id, link] : links_) open.push_back(id);
  for (worker::StreamId id : open) {
    world_.loop().After(2'000'000, [this, id] { CloseLink(id); });
  }
}

void SimWorker::KillAllAtOnce() {
  for (const SessionId session : core_->sessions()) left_.push_back(session);
  LoseNode();
}

void SimWorker::Pause() {
  world_.Tell(fmt::format("worker {} stopped", index_));
  paused_ = true;
}

void SimWorker::Resume() {
  world_.Tell(fmt::format("worker {} goes on", index_));
  paused_ = false;
  std::vector<std::function<void()>> missed = std::exchange(missed_, {});
  for (const auto& fn : missed) fn();
}

// ---- Streams ----

void SimWorker::Connect(SessionId session, int scheduler) {
  const int64_t life = life_;
  world_.loop().After(world_.Micros(1000, 100'000), [=, this] {
    if (life != life_) return;
    Run([=, this] {
      const auto& sessions = core_->sessions();
      if (std::find(sessions.begin(), sessions.end(), session) == sessions.end()) return;
      SimScheduler& peer = *world_.schedulers()[static_cast<size_t>(scheduler)];
      if (!peer.alive()) {
        Connect(session, scheduler);
        return;
      }
      const worker::StreamId id(next_stream_++);
      Link& link = links_[id];
      link.scheduler = scheduler;
      link.session = session;
      link.scheduler_life = peer.life();
      link.stream = std::make_shared<Stream>(*this, id);
      link.open = true;
      core::SessionInfo info;
      info.id = session;
      info.name = fmt::format("worker-{}", index_);
      info.queues = {"default"};
      info.slots = world_.options().slots;
      info.started_us = life;
      Up(id, [this, id, info, session](SimScheduler& s, SessionId) {
        Down(id, [this, id, session] {
          worker::Effects fx;
          core_->Welcomed({id, session, Incarnation(1), world_.terms().session}, now(), &fx);
          Settle(std::move(fx));
        });
        if (!s.hub().Attach(info, links_.at(id).stream).ok()) Broken(id);
        for (const SessionId dead : left_) s.hub().OnSessionDead(dead);
      });
    });
  });
}

void SimWorker::SchedulerDied(int scheduler) {
  std::vector<worker::StreamId> broken;
  for (const auto& [id, link] : links_) {
    if (link.scheduler == scheduler) broken.push_back(id);
  }
  for (worker::StreamId id : broken) Broken(id);
}

// One end has died: the other one notices.
void SimWorker::Broken(worker::StreamId id) {
  const auto it = links_.find(id);
  if (it == links_.end() || !it->second.open) return;
  it->second.open = false;
  const Link link = it->second;
  const int64_t life = life_;
  world_.loop().After(world_.Micros(100, 3000), [=, this] {
    if (life != life_) return;
    Run([=, this] {
      core_->StreamClosed(id);
      links_.erase(id);
      Settle({});
      Connect(link.session, link.scheduler);
    });
  });
}

// The worker's end is gone.
void SimWorker::CloseLink(worker::StreamId id) {
  const auto it = links_.find(id);
  if (it == links_.end()) return;
  const Link link = std::move(it->second);
  links_.erase(it);
  SimScheduler& scheduler = *world_.schedulers()[static_cast<size_t>(link.scheduler)];
  world_.loop().After(world_.Micros(100, 3000), [&scheduler, link] {
    if (scheduler.life() != link.scheduler_life) return;
    scheduler.Run([&scheduler, link] { scheduler.hub().Detach(link.session, link.stream.get()); });
  });
}

void SimWorker::Down(worker::StreamId id, std::function<void()> fn) {
  const auto it = links_.find(id);
  if (it == links_.end() || !it->second.open) return;
  Link& link = it->second;
  const int64_t earliest = std::max(world_.loop().now_us(), stalled_until_us_[link.scheduler]);
  link.down_at_us = std::max(link.down_at_us + 1, earliest + world_.Micros(50, 800));
  world_.loop().At(link.down_at_us, [this, id, fn = std::move(fn), life = life_] {
    if (life != life_) return;
    Run([this, id, fn] {
      const auto link_now = links_.find(id);
      if (link_now == links_.end() || !link_now->second.open) return;
      fn();
      Settle({});
    });
  });
}

void SimWorker::Up(worker::StreamId id, std::function<void(SimScheduler&, SessionId)> fn) {
  const auto it = links_.find(id);
  if (it == links_.end() || !it->second.open) return;
  Link& link = it->second;
  const int64_t earliest = std::max(world_.loop().now_us(), stalled_until_us_[link.scheduler]);
  link.up_at_us = std::max(link.up_at_us + 1, earliest + world_.Micros(50, 800));
  SimScheduler& scheduler = *world_.schedulers()[static_cast<size_t>(link.scheduler)];
  world_.loop().At(link.up_at_us, [this, id, &scheduler, session = link.session,
                                   scheduler_life = link.scheduler_life, fn = std::move(fn)] {
    if (!scheduler.alive() || scheduler.life() != scheduler_life) {
      Broken(id);
      return;
    }
    scheduler.Run([this, id, &scheduler, session, fn] {
      if (links_.contains(id)) fn(scheduler, session);
    });
  });
}

// ---- Messages ----

void SimWorker::Receive(worker::StreamId id, DomainId domain, Epoch epoch,
                        engine::SessionMail mail) {
  worker::Effects fx;
  if (mail.session_lost) {
    core_->Ended(id, domain, epoch, worker::EndReason::kSessionLost, &fx);
  }
  for (const core::AckResult& ack : mail.acks) {
    world_.checker().OnResultAcked(ack.ref);
    core_->Acknowledged(id, domain, KeyOf(ack.ref));
  }
  for (const core::Revoke& revoke : mail.revokes) {
    core_->Revoked(id, domain, epoch, KeyOf(revoke.ref), static_cast<worker::Cause>(revoke.cause),
                   &fx);
  }
  for (const engine::ReadyAssignment& ready : mail.assignments) {
    const core::AttemptRef& ref = ready.assign.ref;
    world_.checker().OnAssignmentReceived(ref);
    const auto& topology = *world_.versions().at(ready.assign.run->version);
    const auto task = static_cast<uint32_t>(ref.key.task);
    worker::Assigned assigned{domain, epoch, KeyOf(ref), topology.spec(task).noop_on_worker,
                              std::make_shared<const worker::Demand>()};
    const bool accepted = core_->Assign(id, assigned, now(), &fx);
    if (accepted && assigned.instant) world_.checker().OnLaunch(ref, true);
  }
  if (mail.credits_returned > 0) core_->CreditsReturned(id, domain, epoch, mail.credits_returned);
  if (mail.wish) core_->Wished(id, domain, epoch, *mail.wish);
  Settle(std::move(fx));
}

void SimWorker::Settle(worker::Effects fx) {
  if (!alive_) return;
  core_->Settle(now(), &fx);
  for (SessionId session : fx.sessions_opened) {
    for (int s = 0; s < world_.options().schedulers; ++s) Connect(session, s);
  }
  for (SessionId session : fx.sessions_closed) {
    std::vector<worker::StreamId> closing;
    for (const auto& [id, link] : links_) {
      if (link.session == session) closing.push_back(id);
    }
    for (worker::StreamId id : closing) {
      core_->StreamClosed(id);
      CloseLink(id);
    }
  }
  for (const worker::LeaseExtension& lease : fx.leases) {
    GuardDeadline(lease.domain, lease.deadline.micros());
  }
  for (const worker::Launch& launch : fx.launches) Launch(launch);
  for (const worker::KillOrder& kill : fx.kills) {
    KillAttempt(kill.key, kill.cause, kill.at_once ? 500 : world_.Micros(500, 300'000));
  }
  for (worker::StreamId id : fx.streams_to_reopen) {
    const auto it = links_.find(id);
    if (it == links_.end()) continue;
    const Link link = it->second;
    core_->StreamClosed(id);
    CloseLink(id);
    Connect(link.session, link.scheduler);
  }
  for (worker::Outgoing& out : fx.out) Send(std::move(out));
  ArmTimer();
}

void SimWorker::Send(worker::Outgoing out) {
  auto shared = std::make_shared<worker::Outgoing>(std::move(out));
  const worker::StreamId id = shared->stream;
  Up(id, [this, id, shared](SimScheduler& scheduler, SessionId session) {
    engine::SessionHub& hub = scheduler.hub();
    for (const worker::DomainHello& hello : shared->hellos) {
      engine::DomainHello h;
      h.domain = hello.domain;
      h.epoch = hello.epoch;
      h.offer = hello.offer;
      for (const auto& key : hello.running) h.running.push_back(RefOf(key));
      for (const auto& r : hello.unacknowledged) h.unacknowledged.push_back(ResultOf(r));
      h.credits = hello.credits;
      h.draining = hello.draining;
      h.shared = hello.shared;
      hub.OnDomainHello(session, std::move(h));
    }
    for (const worker::CreditGrant& grant : shared->credits) {
      hub.OnEvents(session, grant.domain, grant.epoch, grant.credits, {});
    }
    for (const worker::StartedNote& note : shared->started) {
      hub.OnEvents(session, note.domain, note.epoch, 0,
                   {core::AttemptStarted{session, RefOf(note.key), note.started_at_us}});
    }
    for (const worker::ResultNote& note : shared->results) {
      hub.OnEvents(session, note.domain, note.epoch, 0,
                   {core::AttemptEnded{session, ResultOf(note.result)}});
    }
    for (const worker::HandBack& back : shared->hand_backs) {
      hub.OnEvents(session, back.domain, back.epoch, 0,
                   {core::AttemptHandedBack{session, RefOf(back.key)}});
    }
    if (!shared->renew_sequence) return;
    const std::vector<DomainId> confirmed = hub.OnRenew(session);
    Down(id, [this, id, sequence = *shared->renew_sequence, confirmed] {
      worker::Effects fx;
      core_->Renewed(id, sequence, confirmed, now(), &fx);
      Settle(std::move(fx));
    });
  });
}

// ---- The guardian ----

void SimWorker::Launch(const worker::Launch& launch) {
  if (world_.options().verbose) {
    world_.Tell(fmt::format("worker {} starts {}", index_, NameOf(launch.key)));
  }
  world_.checker().OnLaunch(RefOf(launch.key), false);
  const int64_t number = next_number_++;
  running_[launch.key] = {launch.domain, number};
  GuardDeadline(launch.domain, launch.deadline.micros());
  SplitMix64 fate(static_cast<uint64_t>(launch.key.run.value()) * 1'000'003 +
                  launch.key.task * 101 + static_cast<uint64_t>(launch.key.attempt));
  const bool lengthy = fate.OneIn(30);
  const int64_t duration_us = lengthy ? 1'000'000 + static_cast<int64_t>(fate.Below(45'000'000))
                                      : 1000 + static_cast<int64_t>(fate.Below(200'000));
  worker::Report report;
  report.started_at_us = absl::ToUnixMicros(now().wall);
  report.finished_at_us = report.started_at_us + duration_us;
  const uint64_t draw = fate.Below(100);
  report.outcome = draw < 88   ? worker::Outcome::kSuccess
                   : draw < 95 ? worker::Outcome::kFailed
                   : draw < 98 ? worker::Outcome::kSkipped
                               : worker::Outcome::kFailedNoRetry;
  report.cause =
      report.outcome == worker::Outcome::kSuccess ? worker::Cause::kNone : worker::Cause::kExitCode;
  const int64_t life = life_;
  world_.loop().After(duration_us, [=, this] {
    const auto it = running_.find(launch.key);
    if (life != life_ || it == running_.end() || it->second.number != number) return;
    End(launch.key, report);
  });
  world_.loop().After(300, [=, this] {
    if (life != life_) return;
    Run([=, this] {
      worker::Effects fx;
      core_->Started(launch.key, report.started_at_us, &fx);
      Settle(std::move(fx));
    });
  });
}

void SimWorker::End(const worker::AttemptKey& key, worker::Report report) {
  if (world_.options().verbose) {
    world_.Tell(fmt::format("worker {} ended {}", index_, NameOf(key)));
  }
  world_.checker().OnEnd(RefOf(key));
  running_.erase(key);
  Run([this, key, report = std::move(report)]() mutable {
    worker::Effects fx;
    core_->Finished(key, std::move(report), now(), &fx);
    Settle(std::move(fx));
  });
}

void SimWorker::KillAttempt(const worker::AttemptKey& key, worker::Cause cause, int64_t after_us) {
  world_.loop().After(after_us, [this, key, cause, life = life_] {
    if (life != life_) return;
    worker::Report report;
    report.outcome = worker::Outcome::kFailed;
    report.cause = cause;
    report.finished_at_us = absl::ToUnixMicros(now().wall);
    if (running_.contains(key)) {
      End(key, std::move(report));
    } else {
      Run([this, key, report = std::move(report)]() mutable {
        worker::Effects fx;
        core_->Finished(key, std::move(report), now(), &fx);
        Settle(std::move(fx));
      });
    }
  });
}

void SimWorker::GuardDeadline(DomainId domain, int64_t deadline_us) {
  if (world_.options().verbose && deadline_us > deadlines_us_[domain]) {
    world_.Tell(fmt::format("worker {} leased until {:.3f}", index_,
                            static_cast<double>(deadline_us) / 1e6));
  }
  int64_t& held = deadlines_us_[domain];
  held = std::max(held, deadline_us);
  if (world_.options().mutation == Mutation::kGuardianSleeps) return;
  world_.loop().At(deadline_us, [this, domain, life = life_] {
    if (life != life_ || deadlines_us_[domain] > world_.loop().now_us()) return;
    std::vector<worker::AttemptKey> doomed;
    for (const auto& [key, attempt] : running_) {
      if (attempt.domain == domain) doomed.push_back(key);
    }
    for (const worker::AttemptKey& key : doomed) {
      worker::Report report;
      report.cause = worker::Cause::kLeaseLost;
      End(key, std::move(report));
    }
  });
}

// ---- Time ----

void SimWorker::ArmTimer() {
  const SteadyTime next = core_->NextWakeup();
  if (next >= SteadyTime::Infinite()) return;
  const int64_t at_us = std::max(next.micros(), world_.loop().now_us() + 1);
  if (timer_at_us_ > world_.loop().now_us() && timer_at_us_ <= at_us) return;
  timer_at_us_ = at_us;
  world_.loop().At(at_us, [this, life = life_] {
    if (life == life_) Run([this] { Settle({}); });
  });
}

void SimWorker::RenewLater() {
  world_.loop().After(absl::ToInt64Microseconds(world_.terms().session_renewal()),
                      [this, life = life_] {
                        if (life != life_) return;
                        Run([this] {
                          worker::Effects fx;
                          core_->Renew(now(), &fx);
                          Settle(std::move(fx));
                          RenewLater();
                        });
                      });
}

}  // namespace penstock::sim
