#include "scheduler/sim/sim_scheduler.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "scheduler/sim/sim_worker.h"

namespace penstock::sim {
namespace {

constexpr DomainId kDomain(1);

}  // namespace

SimScheduler::SimScheduler(World& world, int index)
    : world_(world), index_(index), connection_(std::make_unique<Connection>()) {}

SimScheduler::~SimScheduler() = default;

void SimScheduler::Start() {
  alive_ = true;
  paused_ = false;
  ++life_;
  self_ = SchedulerId(static_cast<int64_t>(world_.random().Next() >> 1));
  old_connections_.push_back(std::move(connection_));
  connection_ = std::make_unique<Connection>();
  hub_ = std::make_unique<engine::SessionHub>(world_.loop());
  core::OwnerProtocol::Options options;
  options.domain = kDomain;
  options.core.terms = world_.terms();
  options.core.max_rows = 200;
  if (!world_.careful()) options.careful_after = std::numeric_limits<int>::max();
  if (world_.options().mutation == Mutation::kIgnoreSessionLease) {
    options.core.terms.session = absl::Milliseconds(1);
    options.core.terms.domain = absl::Milliseconds(1);
    options.core.terms.margin = absl::Milliseconds(1);
  }
  protocol_ = std::make_unique<core::OwnerProtocol>(options, world_.random().Next());
  judge_.emplace(core::FleetJudge::Options{self_, 1, world_.terms().domain});
  lease_until_ = SteadyTime();
  generation_ = 0;
  registered_ = Epoch();
  timer_at_us_ = 0;
  pass_due_ = false;
  world_.database().rows.push_back({self_, 0, connection_.get()});
  Beat();
  Probe();
}

void SimScheduler::Kill() {
  world_.Tell(fmt::format("scheduler {} killed", index_));
  alive_ = false;
  ++life_;
  missed_.clear();
  waiting_.clear();
  connection_->dead = true;
  for (auto& row : world_.database().rows) {
    if (row.lock == connection_.get()) row.lock = nullptr;
  }
  for (auto& worker : world_.workers()) worker->SchedulerDied(index_);
}

void SimScheduler::Pause() {
  world_.Tell(fmt::format("scheduler {} stopped", index_));
  paused_ = true;
}

void SimScheduler::Resume() {
  world_.Tell(fmt::format("scheduler {} goes on", index_));
  paused_ = false;
  std::vector<std::function<void()>> missed = std::exchange(missed_, {});
  for (const auto& fn : missed) fn();
}

void SimScheduler::Run(std::function<void()> fn) {
  if (!alive_) return;
  if (paused_) {
    missed_.emplace_back([this, fn = std::move(fn), life = life_] {
      if (life == life_) fn();
    });
    return;
  }
  fn();
}

// ---- Fleet ----

void SimScheduler::Beat() {
  if (!alive_) return;
  const SteadyTime sent = world_.loop().Steady();
  const int64_t life = life_;
  auto known = std::make_shared<bool>(false);
  auto ours = std::make_shared<bool>(false);
  world_.database().Call(
      connection_.get(),
      [=, this] {
        for (auto& row : world_.database().rows) {
          // A lock that was lost (a restart of the database) ends this name: join as another one.
          if (row.id != self_ || row.lock == nullptr) continue;
          ++row.beat;
          *known = true;
          *ours = world_.store().owner() == self_;
        }
      },
      [=, this](bool ok) {
        if (life != life_) return;
        Run([=, this] {
          if (ok && *known) {
            lease_until_ = *ours ? sent + world_.terms().domain : SteadyTime();
            JudgeFleet();
          }
          if (ok && !*known) {
            self_ = SchedulerId(static_cast<int64_t>(world_.random().Next() >> 1));
            judge_.emplace(core::FleetJudge::Options{self_, 1, world_.terms().domain});
            world_.database().rows.push_back({self_, 0, connection_.get()});
          }
          world_.loop().After(absl::ToInt64Microseconds(world_.terms().domain_renewal()),
                              [=, this] {
                                if (life == life_) Run([this] { Beat(); });
                              });
        });
      });
}

void SimScheduler::Probe() {
  const int64_t life = life_;
  world_.loop().After(200'000, [=, this] {
    if (life != life_) return;
    Run([=, this] {
      bool found = false;
      if (!world_.database().down() && !connection_->cut) {
        for (const auto& row : world_.database().rows) {
          if (row.id == self_ || row.lock != nullptr) continue;
          judge_->ProvenDead(row.id);
          found = true;
        }
      }
      if (found) JudgeFleet();
      Probe();
    });
  });
}

void SimScheduler::JudgeFleet() {
  std::vector<core::SchedulerSeen> schedulers;
  for (const auto& row : world_.database().rows) schedulers.push_back({row.id, row.beat, 1});
  const core::DomainSeen domain{kDomain, world_.store().epoch(), world_.store().owner(), 1};
  const Now now = this->now();
  protocol_->Observe(domain.epoch, domain.owner, self_, now);
  const auto verdict = judge_->Judge(schedulers, {domain}, now.steady);
  if (!verdict.take.empty()) protocol_->WantOwnership();
  for (SchedulerId dead : verdict.dead) {
    std::erase_if(world_.database().rows, [dead](const auto& row) { return row.id == dead; });
  }
  Soon();
}

Now SimScheduler::now() const {
  Now now = world_.loop().Read();
  now.wall += clock_wrong_;
  return now;
}

// ---- The loop ----

void SimScheduler::Post(core::Event event) {
  protocol_->Offer(std::move(event));
  Soon();
}

void SimScheduler::Post(std::vector<core::Event> events) {
  for (core::Event& event : events) protocol_->Offer(std::move(event));
  Soon();
}

bool SimScheduler::LeaseHolds(SteadyTime now) const {
  return world_.options().mutation == Mutation::kConfirmWithoutLease || now < lease_until_;
}

void SimScheduler::Soon() {
  if (pass_due_) return;
  pass_due_ = true;
  world_.loop().After(10, [this, life = life_] {
    if (life != life_) return;
    pass_due_ = false;
    Run([this] { Pass(); });
  });
}

void SimScheduler::Pass() {
  const Now now = this->now();
  protocol_->Pump(now);
  if (auto request = protocol_->Next(now)) {
    std::visit([this](const auto& r) { Carry(r); }, *request);
  }
  for (core::Effects& effects : protocol_->TakeDeliveries()) Act(effects);
  FollowOwnership();
  for (VersionId id : protocol_->TakeWantedVersions()) {
    Post(core::VersionLoaded{id, world_.versions().at(id)});
  }
  ArmTimer();
}

void SimScheduler::ArmTimer() {
  const Now now = this->now();
  const absl::Duration wait = std::max(protocol_->NextSteady() - now.steady, absl::Microseconds(1));
  if (wait > absl::Hours(1)) return;
  const int64_t at_us = world_.loop().now_us() + absl::ToInt64Microseconds(wait) + 1;
  if (timer_at_us_ > world_.loop().now_us() && timer_at_us_ <= at_us) return;
  timer_at_us_ = at_us;
  world_.loop().At(at_us, [this, life = life_] {
    if (life == life_) Soon();
  });
}

void SimScheduler::FollowOwnership() {
  if (protocol_->owner() && generation_ != protocol_->generation()) {
    generation_ = protocol_->generation();
    if (registered_ == protocol_->epoch()) {
      hub_->Resync(kDomain);
    } else {
      hub_->Register(kDomain, protocol_->epoch(), this);
      registered_ = protocol_->epoch();
      world_.Reached(Moment::kOwned);
      world_.Tell(fmt::format("scheduler {} owns epoch {}", index_, registered_.value()));
    }
  }
  if (!protocol_->owner() && registered_ && !protocol_->reloading() &&
      protocol_->domain() == nullptr) {
    hub_->Unregister(kDomain);
    registered_ = Epoch();
    for (auto& [id, done] : waiting_)
      done(core::Reply{id, absl::UnavailableError("moved"), {}, {}, 0});
    waiting_.clear();
  }
}

// ---- Requests ----

void SimScheduler::Carry(const core::OwnerProtocol::TakeOver& r) {
  world_.Reached(Moment::kTakeOver);
  world_.database().TakeOver(connection_.get(), self_, r,
                             [this, life = life_](absl::StatusOr<core::LoadResult> result) {
                               if (life != life_) return;
                               Run([this, result = std::move(result)]() mutable {
                                 protocol_->OnLoaded(std::move(result), world_.versions(), now());
                                 Soon();
                               });
                             });
}

void SimScheduler::Carry(const core::OwnerProtocol::Reload& r) {
  world_.Reached(Moment::kReload);
  world_.database().Reload(connection_.get(), r,
                           [this, life = life_](absl::StatusOr<core::LoadResult> result) {
                             if (life != life_) return;
                             Run([this, result = std::move(result)]() mutable {
                               protocol_->OnLoaded(std::move(result), world_.versions(), now());
                               Soon();
                             });
                           });
}

// Stands for a decision at which the process ends: the one about these rows.
bool SimScheduler::Poisoned(const core::FlushBatch& batch) const {
  const auto poisoned = [this](RunId run) { return world_.IsPoison(run); };
  return std::any_of(batch.dispatches.begin(), batch.dispatches.end(),
                     [&](const auto& d) { return poisoned(d.key.run); }) ||
         std::any_of(batch.completions.begin(), batch.completions.end(),
                     [&](const auto& c) { return poisoned(c.row.key.run); }) ||
         std::any_of(batch.decisions.begin(), batch.decisions.end(),
                     [&](const auto& d) { return poisoned(d.key.run); }) ||
         std::any_of(batch.new_runs.begin(), batch.new_runs.end(),
                     [](const auto& run) { return run.note == kPoisonNote; });
}

void SimScheduler::Carry(const core::OwnerProtocol::Flush& r) {
  if (Poisoned(*r.batch)) {
    world_.PoisonKills(static_cast<size_t>(index_));
    return;
  }
  world_.Reached(Moment::kFlush);
  if (world_.options().mutation != Mutation::kNone) ActEarly(*protocol_->in_flight());
  world_.database().Flush(
      connection_.get(), r.epoch, r.seq, *r.batch, [this, life = life_](core::FlushResult result) {
        if (life != life_) return;
        Run([this, result] {
          if (result.verdict == core::FlushVerdict::kRejected) {
            world_.checker().Violated(10, "a flush was refused: " + result.status.ToString());
          }
          protocol_->OnFlushed(result, now());
          Soon();
        });
      });
}

void SimScheduler::Carry(const core::OwnerProtocol::TakeIds& r) {
  auto block = std::make_shared<absl::StatusOr<store::IdBlock>>(absl::UnavailableError("lost"));
  world_.database().Call(
      connection_.get(), [=, this] { *block = world_.store().TakeIds(r.epoch, r.count); },
      [=, this, life = life_](bool ok) {
        if (life != life_) return;
        Run([=, this] {
          absl::StatusOr<std::pair<RunId, int64_t>> ids = absl::UnavailableError("lost");
          if (ok && block->ok()) ids = std::pair((*block)->first, (*block)->count);
          if (ok && !block->ok()) ids = block->status();
          protocol_->OnIds(ids, now());
          Soon();
        });
      });
}

void SimScheduler::Carry(const core::OwnerProtocol::Release& r) {
  world_.database().Call(
      connection_.get(), [=, this] { (void)world_.store().Release(r.epoch); },
      [this, life = life_](bool ok) {
        if (life != life_) return;
        Run([this, ok] {
          protocol_->OnReleased(ok ? absl::OkStatus() : absl::UnavailableError("lost"), now());
          Soon();
        });
      });
}

void SimScheduler::Carry(const core::OwnerProtocol::Note& r) {
  world_.Reached(Moment::kNote);
  world_.Tell(fmt::format("scheduler {} notes '{}'", index_, r.suspect));
  auto status = std::make_shared<absl::Status>(absl::UnavailableError("lost"));
  world_.database().Call(
      connection_.get(), [=, this] { *status = world_.store().Note(r.epoch, r.suspect); },
      [=, this, life = life_](bool ok) {
        if (life != life_) return;
        Run([=, this] {
          protocol_->OnNoted(ok ? *status : absl::UnavailableError("lost"), now());
          Soon();
        });
      });
}

// ---- Effects ----

void SimScheduler::SendAssigns(const std::vector<core::Assign>& assigns) {
  for (const core::Assign& assign : assigns) {
    engine::SessionMail mail;
    mail.assignments.push_back({assign, {}});
    hub_->Deliver(kDomain, assign.session, assign.binding, std::move(mail));
  }
}

void SimScheduler::Answer(const core::Reply& reply) {
  const auto it = waiting_.find(reply.command);
  if (it == waiting_.end()) return;
  const auto done = std::move(it->second);
  waiting_.erase(it);
  done(reply);
}

void SimScheduler::Act(core::Effects& effects) {
  const Mutation mutation = world_.options().mutation;
  for (const core::SessionBound& b : effects.bound) hub_->Bound(kDomain, b.session, b.binding);
  for (const core::AckResult& ack : effects.acks) {
    engine::SessionMail mail;
    mail.acks.push_back(ack);
    hub_->Deliver(kDomain, ack.session, core::BindingId(), std::move(mail));
  }
  if (!effects.ended.empty()) world_.Reached(Moment::kSessionLost);
  for (const core::EndSession& end : effects.ended) {
    engine::SessionMail mail;
    mail.session_lost = true;
    hub_->Deliver(kDomain, end.session, core::BindingId(), std::move(mail));
  }
  for (const core::Revoke& revoke : effects.revokes) {
    engine::SessionMail mail;
    mail.revokes.push_back(revoke);
    hub_->Deliver(kDomain, revoke.session, revoke.binding, std::move(mail));
  }
  for (const core::ReturnCredits& r : effects.credit_returns) {
    engine::SessionMail mail;
    mail.credits_returned = r.credits;
    hub_->Deliver(kDomain, r.session, r.binding, std::move(mail));
  }
  if (mutation != Mutation::kSendBeforeCommit) SendAssigns(effects.assigns);
  for (const core::Reply& reply : effects.replies) Answer(reply);
  if (effects.resync) hub_->Resync(kDomain);
}

// What a mistaken carrier would do before the commit.
void SimScheduler::ActEarly(const core::Effects& effects) {
  const Mutation mutation = world_.options().mutation;
  if (mutation == Mutation::kSendBeforeCommit) SendAssigns(effects.assigns);
  if (mutation == Mutation::kAnswerBeforeCommit) {
    for (const core::Reply& reply : effects.replies) Answer(reply);
  }
  if (mutation == Mutation::kAckBeforeCommit) {
    for (const core::AckResult& ack : effects.acks) {
      engine::SessionMail mail;
      mail.acks.push_back(ack);
      hub_->Deliver(kDomain, ack.session, core::BindingId(), std::move(mail));
    }
  }
}

void SimScheduler::Execute(core::CommandBody body, std::function<void(const core::Reply&)> done) {
  core::Command command;
  command.id = core::CommandId(next_command_++);
  command.body = std::move(body);
  const core::CommandId id = command.id;
  if (!protocol_->Offer(std::move(command))) {
    done(core::Reply{id, absl::UnavailableError("not the owner"), {}, {}, 0});
    return;
  }
  waiting_[id] = std::move(done);
  Soon();
}

void SimScheduler::CompareDigest() {
  if (!owns() || paused_ || protocol_->ReadMark() != protocol_->covered()) return;
  if (pass_due_) return;                 // it has work left: it may just have been loaded
  if (protocol_->careful()) return;      // what is due waits for its turn
  if (world_.clocks_were_set()) return;  // what is due by rows need not be due in memory
  if (protocol_->queued() > 0 || protocol_->epoch() != world_.store().epoch()) return;
  const Now now = this->now();
  // A timer that is due this very moment would be acted on by one of the two only.
  if (protocol_->NextSteady() <= now.steady) return;
  core::DomainOptions options;
  options.terms = world_.terms();
  core::Domain again(options, world_.store().Facts(), world_.versions(), now);
  while (again.Work(now)) {
  }
  world_.checker().OnDigests(protocol_->domain()->Digest(), again.Digest());
}

}  // namespace penstock::sim
