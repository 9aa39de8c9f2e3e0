#include "scheduler/engine/fleet.h"

#include <algorithm>
#include <utility>

#include "common/base/random.h"
#include "common/obs/log.h"
#include "fmt/format.h"
#include "scheduler/engine/errors.h"

namespace penstock::engine {
namespace {

std::vector<core::SchedulerSeen> Seen(const std::vector<store::SchedulerRow>& rows) {
  std::vector<core::SchedulerSeen> seen;
  seen.reserve(rows.size());
  for (const auto& row : rows) seen.push_back({row.id, row.beat, row.feature_level});
  return seen;
}

std::vector<core::DomainSeen> Seen(const std::vector<store::DomainRow>& rows) {
  std::vector<core::DomainSeen> seen;
  seen.reserve(rows.size());
  for (const auto& row : rows) seen.push_back({row.id, row.epoch, row.owner, row.feature_level});
  return seen;
}

}  // namespace

Fleet::Fleet(FleetOptions options, const Clock& clock, std::unique_ptr<store::FleetStore> store,
             DomainStores stores, store::Catalog& catalog, SessionHub& hub, InboxDecoder& decoder,
             EngineObserver& observer)
    : options_(std::move(options)),
      clock_(clock),
      store_(std::move(store)),
      stores_(std::move(stores)),
      catalog_(catalog),
      hub_(hub),
      flushes_({"flush", options_.flush_threads, 4096}),
      reads_({"read", options_.read_threads, 4096}),
      versions_(catalog),
      links_{clock, catalog_, versions_, hub_, decoder, observer, flushes_, reads_} {}

Fleet::~Fleet() { Stop(absl::ZeroDuration()); }

absl::Status Fleet::Join() {
  self_.store(RandomId());
  judge_.emplace(core::FleetJudge::Options{self(), options_.feature_level, options_.terms.domain});
  store::SchedulerRow row;
  row.id = self();
  row.name = options_.name;
  row.address = options_.address;
  row.feature_level = options_.feature_level;
  row.started_us = absl::ToUnixMicros(clock_.Wall());
  return store_->Register(row);
}

absl::Status Fleet::Start() {
  if (absl::Status joined = Join(); !joined.ok()) return joined;
  loop_.Start("fleet", [this](service::StopToken token) { Loop(token); });
  return absl::OkStatus();
}

void Fleet::Stop(absl::Duration patience) {
  std::vector<DomainRunner*> runners;
  {
    MutexLock lock(&mu_);
    if (std::exchange(stopped_, true)) return;
    for (auto& [id, runner] : runners_) runners.push_back(runner.get());
  }
  // The beat goes on until the domains are handed over, so that nobody takes them by force.
  for (DomainRunner* runner : runners) runner->HandOver();
  for (DomainRunner* runner : runners) runner->Stop(patience);
  loop_.Stop();
  flushes_.Shutdown();
  reads_.Shutdown();
  if (self()) (void)store_->Remove(self());
  MutexLock lock(&mu_);
  runners_.clear();
}

// ---- The fleet's thread ----

void Fleet::Loop(service::StopToken token) {
  do {
    const SteadyTime now = clock_.Steady();
    last_pass_us_.store(now.micros());
    if (now >= next_beat_) {
      next_beat_ = now + options_.terms.domain_renewal();
      BeatOnce();
    } else if (now >= probe_from_) {
      Probe();
    }
  } while (token.Wait(std::min(options_.probe_interval,
                               std::max(next_beat_ - clock_.Steady(), absl::ZeroDuration()))));
}

void Fleet::BeatOnce() {
  const std::map<DomainId, FlushSeq> known = KnownFlushes();
  const SteadyTime sent = clock_.Steady();
  auto view = store_->Beat(self());
  if (absl::IsFailedPrecondition(view.status())) {
    // Declared dead while stopped or cut off: come back as somebody else.
    lease_.End();
    obs::Warning("declared dead, joining again", {{"scheduler", self()}});
    if (absl::Status joined = Join(); !joined.ok()) {
      obs::Warning("joining failed", {{"error", joined}});
      return;
    }
    view = store_->Beat(self());
  }
  if (!view.ok()) {
    DistrustLocks();
    obs::Warning("beat failed", {{"error", view.status()}});
    return;
  }
  lease_.Beat(sent, options_.terms.domain);
  Publish(*view, sent);
  GuardHistory(*view, known);
  Judge(*view);
}

// Looks at the liveness locks of schedulers that own something: a dead process' lock is free at
// once, long before its lease ends.
void Fleet::Probe() {
  const store::FleetView view = View();
  bool found = false;
  for (const store::SchedulerRow& other : view.schedulers) {
    if (other.id == self() || !judge_->Alive(other.id, clock_.Steady())) continue;
    const auto free = store_->LockIsFree(other.id);
    if (!free.ok()) return DistrustLocks();
    if (!*free) continue;
    obs::Info("scheduler is gone", {{"scheduler", other.id}, {"name", other.name}});
    judge_->ProvenDead(other.id);
    found = true;
  }
  if (found) BeatOnce();
}

// Whoever has lost its connection, as this process just has, has lost its lock, too: it gets time
// to come back. On a standby that was promoted nobody has a lock at first. A successor would pause
// the domain there, where the owner can vouch for it (DomainStore::TakeOver).
void Fleet::DistrustLocks() { probe_from_ = clock_.Steady() + options_.terms.domain; }

void Fleet::Publish(const store::FleetView& view, SteadyTime sent) {
  std::vector<std::string> addresses;
  for (const store::SchedulerRow& row : view.schedulers) {
    // A dead one stays in the list until it is certain; workers just fail to reach it.
    addresses.push_back(row.address);
  }
  std::sort(addresses.begin(), addresses.end());
  hub_.SetFleet(addresses);
  {
    MutexLock lock(&mu_);
    view_ = view;
  }
  for (const store::DomainRow& row : view.domains) {
    RunnerFor(row.id).Observe(row.epoch, row.owner, self(), sent, options_.terms.domain);
  }
}

// A database that knows less than what it once confirmed has lost commits (an asynchronous
// failover, a restore): everything handed out under its old life is void. One on another timeline
// may have. `known` was collected before the view was read.
void Fleet::GuardHistory(const store::FleetView& view, const std::map<DomainId, FlushSeq>& known) {
  for (const store::DomainRow& row : view.domains) {
    DomainRunner* const runner = row.moved && row.owner == self() ? FindRunner(row.id) : nullptr;
    if (runner != nullptr) runner->Recheck();
    const auto seen = known.find(row.id);
    if (seen == known.end() || row.flush_seq >= seen->second) continue;
    const absl::Status told = store_->DeclareLoss(row.id, seen->second);
    obs::Error("the database has lost commits", {{"domain", row.id},
                                                 {"flush_seq", row.flush_seq},
                                                 {"seen", seen->second},
                                                 {"status", told}});
  }
}

std::map<DomainId, FlushSeq> Fleet::KnownFlushes() const {
  MutexLock lock(&mu_);
  std::map<DomainId, FlushSeq> known;
  for (const auto& [id, runner] : runners_) known[id] = runner->observed_flush_seq();
  return known;
}

void Fleet::Judge(const store::FleetView& view) {
  const auto verdict = judge_->Judge(Seen(view.schedulers), Seen(view.domains), clock_.Steady());
  for (DomainId id : verdict.take) RunnerFor(id).Take(self());
  for (DomainId id : verdict.hand_over) RunnerFor(id).HandOver();
  for (SchedulerId id : verdict.dead) (void)store_->Remove(id);
}

DomainRunner& Fleet::RunnerFor(DomainId domain) {
  MutexLock lock(&mu_);
  std::unique_ptr<DomainRunner>& runner = runners_[domain];
  if (runner == nullptr) {
    core::OwnerProtocol::Options options;
    options.domain = domain;
    options.core = options_.core;
    options.core.terms = options_.terms;
    runner = std::make_unique<DomainRunner>(std::move(options), stores_(domain), links_);
    if (!stopped_) runner->Start();
  }
  return *runner;
}

// ---- From other threads ----

DomainRunner* Fleet::FindRunner(DomainId domain) const {
  MutexLock lock(&mu_);
  const auto it = runners_.find(domain);
  return it == runners_.end() || stopped_ ? nullptr : it->second.get();
}

bool Fleet::Alive() const {
  const SteadyTime oldest = clock_.Steady() - absl::Seconds(20);
  if (SteadyTime::FromMicros(last_pass_us_.load()) < oldest) return false;
  MutexLock lock(&mu_);
  return std::all_of(runners_.begin(), runners_.end(), [&](const auto& item) {
    return !item.second->owner() || item.second->last_pass() >= oldest;
  });
}

std::vector<DomainId> Fleet::Owned() const {
  MutexLock lock(&mu_);
  std::vector<DomainId> owned;
  for (const auto& [id, runner] : runners_) {
    if (runner->owner()) owned.push_back(id);
  }
  return owned;
}

store::FleetView Fleet::View() const {
  MutexLock lock(&mu_);
  return view_;
}

absl::StatusOr<Place> Fleet::Locate(DomainId domain) const {
  MutexLock lock(&mu_);
  const auto runner = runners_.find(domain);
  if (!stopped_ && runner != runners_.end() && runner->second->owner()) {
    return Place{true, options_.address, self(), Epoch()};
  }
  for (const store::DomainRow& row : view_.domains) {
    if (row.id != domain) continue;
    for (const store::SchedulerRow& scheduler : view_.schedulers) {
      if (scheduler.id != row.owner || scheduler.id == self()) continue;
      return Place{false, scheduler.address, scheduler.id, row.epoch};
    }
    return absl::UnavailableError("nobody owns the domain at the moment");
  }
  return absl::NotFoundError(fmt::format("there is no domain {}", domain.value()));
}

void Fleet::Execute(DomainId domain, core::CommandBody command, std::string actor, Done done) {
  if (DomainRunner* runner = FindRunner(domain)) {
    runner->Execute(std::move(command), std::move(actor), std::move(done));
    return;
  }
  core::Reply reply;
  reply.status = NotOwner();
  done(std::move(reply));
}

void Fleet::Read(DomainId domain, std::function<void(const core::Domain&)> read,
                 std::function<void(absl::Status)> done) {
  if (DomainRunner* runner = FindRunner(domain)) {
    runner->Read(std::move(read), std::move(done));
    return;
  }
  done(NotOwner());
}

std::shared_ptr<void> Fleet::WatchRun(DomainId domain, RunId run, std::function<void()> changed) {
  DomainRunner* runner = FindRunner(domain);
  return runner == nullptr ? nullptr : runner->Watch(run, std::move(changed));
}

void Fleet::InboxHint(DomainId domain) {
  if (DomainRunner* runner = FindRunner(domain)) runner->InboxHint();
}

absl::Duration Fleet::SinceBeat() const {
  return clock_.Steady() - (lease_.until() - options_.terms.domain);
}

void Fleet::GiveUpWaiting() {
  MutexLock lock(&mu_);
  if (stopped_) return;
  for (const auto& [id, runner] : runners_) runner->GiveUpWaiting();
}

}  // namespace penstock::engine
