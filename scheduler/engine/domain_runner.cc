#include "scheduler/engine/domain_runner.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "fmt/format.h"
#include "scheduler/engine/errors.h"

namespace penstock::engine {
namespace {

constexpr absl::Duration kInboxInterval = absl::Seconds(1);

}  // namespace

DomainRunner::DomainRunner(core::OwnerProtocol::Options options,
                           std::unique_ptr<store::DomainStore> store, const RunnerLinks& links)
    : domain_(options.domain),
      links_(links),
      store_(std::move(store)),
      protocol_(std::move(options), static_cast<uint64_t>(RandomId())),
      delivery_(domain_, links.hub, links.catalog, links.reads) {}

DomainRunner::~DomainRunner() { Stop(absl::ZeroDuration()); }

void DomainRunner::Start() {
  loop_.Start(fmt::format("domain-{}", domain_.value()),
              [this](service::StopToken token) { Loop(token); });
}

void DomainRunner::Stop(absl::Duration patience) {
  HandOver();
  const SteadyTime deadline = links_.clock.Steady() + patience;
  while (owner() && links_.clock.Steady() < deadline) absl::SleepFor(absl::Milliseconds(5));
  loop_.Stop();
}

// ---- From other threads ----

void DomainRunner::Call(std::function<void()> fn) {
  {
    MutexLock lock(&mu_);
    calls_.push_back(std::move(fn));
  }
  loop_.Wake();
}

void DomainRunner::Post(core::Event event) {
  {
    MutexLock lock(&mu_);
    events_.push_back(std::move(event));
  }
  loop_.Wake();
}

void DomainRunner::Post(std::vector<core::Event> events) {
  {
    MutexLock lock(&mu_);
    for (core::Event& event : events) events_.push_back(std::move(event));
  }
  loop_.Wake();
}

bool DomainRunner::LeaseHolds(SteadyTime now) const { return owner() && lease_.Holds(now); }

void DomainRunner::Observe(Epoch epoch, SchedulerId owner, SchedulerId self, SteadyTime sent,
                           absl::Duration term) {
  if (owner == self) {
    lease_.Beat(sent, term);
  } else {
    lease_.End();
  }
  Call([this, epoch, owner, self] { protocol_.Observe(epoch, owner, self, links_.clock.Read()); });
}

void DomainRunner::Take(SchedulerId self) {
  Call([this, self] {
    self_ = self;
    protocol_.WantOwnership();
  });
}

void DomainRunner::HandOver() {
  Call([this] {
    if (protocol_.owner()) protocol_.WantRelease();
  });
}

void DomainRunner::Execute(core::CommandBody body, std::string actor, Engine::Done done) {
  auto command = std::make_shared<core::Command>();
  command->body = std::move(body);
  command->actor = std::move(actor);
  Call([this, command, done = std::move(done)]() mutable {
    OfferCommand(std::move(*command), std::move(done));
  });
}

void DomainRunner::Read(std::function<void(const core::Domain&)> read,
                        std::function<void(absl::Status)> done) {
  Call([this, read = std::move(read), done = std::move(done)]() mutable {
    DoRead(read, std::move(done));
  });
}

std::shared_ptr<void> DomainRunner::Watch(RunId run, std::function<void()> changed) {
  auto handle = watches_.Add(run, std::move(changed));
  loop_.Wake();
  return handle;
}

void DomainRunner::InboxHint() {
  Call([this] { next_inbox_ = SteadyTime(); });
}

// ---- The loop ----

void DomainRunner::Loop(service::StopToken token) {
  SteadyTime watches = SteadyTime::Infinite();
  do {
    Pass();
    watches = watches_.Tell(links_.clock.Steady());
  } while (token.Wait(UntilNext(watches)));
  for (auto& [id, done] : waiting_) {
    core::Reply reply;
    reply.status = absl::UnavailableError("the scheduler is stopping: repeat it");
    done(std::move(reply));
  }
  waiting_.clear();
  for (PendingRead& read : reads_) read.done(absl::UnavailableError("the scheduler is stopping"));
  reads_.clear();
  if (registered_) links_.hub.Unregister(domain_);
  registered_ = Epoch();
  owner_.store(false);
}

absl::Duration DomainRunner::UntilNext(SteadyTime watches) const {
  const Now now = links_.clock.Read();
  SteadyTime next = std::min(watches, protocol_.NextSteady());
  if (owner()) next = std::min(next, next_inbox_);
  absl::Duration wait = std::min(next - now.steady, protocol_.NextWall() - now.wall);
  wait = std::min(wait, absl::Seconds(1));
  return std::max(wait, absl::ZeroDuration());
}

void DomainRunner::TakeIn() {
  std::vector<core::Event> events;
  std::vector<std::function<void()>> calls;
  {
    MutexLock lock(&mu_);
    events.swap(events_);
    calls.swap(calls_);
  }
  if (!events.empty()) waits_since_ = std::min(waits_since_, links_.clock.Steady());
  for (core::Event& event : events) protocol_.Offer(std::move(event));
  for (const auto& call : calls) call();
}

void DomainRunner::Pass() {
  last_pass_us_.store(links_.clock.Steady().micros());
  TakeIn();
  protocol_.Pump(links_.clock.Read());
  if (auto request = protocol_.Next(links_.clock.Read())) Carry(*request);
  for (core::Effects& effects : protocol_.TakeDeliveries()) Act(std::move(effects));
  FollowOwnership();
  LoadVersions();
  FinishReads();
  PollInbox(links_.clock.Steady());
  // With no step under way, whatever came needed none.
  if (!step_open_) waits_since_ = SteadyTime::Infinite();
}

void DomainRunner::OfferCommand(core::Command command, Engine::Done done) {
  core::Reply refusal;
  if (!protocol_.owner() && !protocol_.reloading()) {
    refusal.status = NotOwner();
    done(std::move(refusal));
    return;
  }
  waits_since_ = std::min(waits_since_, links_.clock.Steady());
  command.id = core::CommandId(next_command_++);
  const core::CommandId id = command.id;
  if (protocol_.Offer(std::move(command))) {
    waiting_[id] = std::move(done);
    return;
  }
  refusal.status = absl::ResourceExhaustedError(
      "the domain has too many requests waiting: try again in a second");
  done(std::move(refusal));
}

void DomainRunner::DoRead(const std::function<void(const core::Domain&)>& read,
                          std::function<void(absl::Status)> done) {
  if (!protocol_.owner()) {
    done(protocol_.reloading() ? absl::UnavailableError("the domain is being reloaded: ask again")
                               : NotOwner());
    return;
  }
  protocol_.Pump(links_.clock.Read());
  read(*protocol_.domain());
  reads_.push_back({std::move(done), protocol_.ReadMark(), protocol_.generation()});
}

// A read is answered once everything that it saw has been committed.
void DomainRunner::FinishReads() {
  std::erase_if(reads_, [this](PendingRead& read) {
    if (!protocol_.owner() || read.generation != protocol_.generation()) {
      read.done(absl::UnavailableError("the domain's owner changed or reloaded: ask again"));
      return true;
    }
    if (protocol_.covered() < read.mark) return false;
    read.done(absl::OkStatus());
    return true;
  });
}

// ---- Requests of the protocol ----

void DomainRunner::OnDatabase(std::function<void()> job) {
  if (!links_.flushes.TryPost(job)) job();
}

void DomainRunner::Carry(core::OwnerProtocol::Request request) {
  std::visit([this](const auto& r) { Carry(r); }, request);
}

void DomainRunner::Carry(const core::OwnerProtocol::TakeOver& request) {
  OnDatabase([this, seen = request.seen, self = self_, began = links_.clock.Steady()] {
    auto result = store_->TakeOver(self, seen);
    core::VersionMap versions;
    if (result.ok()) {
      auto loaded = links_.versions.LoadAll(result->facts);
      if (loaded.ok()) {
        versions = *std::move(loaded);
      } else {
        result = loaded.status();
      }
    }
    OnLoaded(false, began, std::move(result), std::move(versions));
  });
}

void DomainRunner::Carry(const core::OwnerProtocol::Reload& request) {
  OnDatabase([this, request, began = links_.clock.Steady()] {
    auto result = store_->Reload(request.epoch, request.in_doubt);
    core::VersionMap versions;
    if (result.ok()) {
      auto loaded = links_.versions.LoadAll(result->facts);
      if (loaded.ok()) {
        versions = *std::move(loaded);
      } else {
        result = loaded.status();
      }
    }
    OnLoaded(true, began, std::move(result), std::move(versions));
  });
}

void DomainRunner::OnLoaded(bool reload, SteadyTime began, absl::StatusOr<core::LoadResult> result,
                            core::VersionMap versions) {
  links_.observer.Loaded(domain_, reload, result.ok(), links_.clock.Steady() - began);
  obs::Log(
      result.ok() ? obs::LogLevel::kInfo : obs::LogLevel::kWarning, reload ? "reload" : "takeover",
      {{"domain", domain_}, {"took", links_.clock.Steady() - began}, {"status", result.status()}});
  auto shared = std::make_shared<absl::StatusOr<core::LoadResult>>(std::move(result));
  Call([this, shared, versions = std::move(versions)] {
    protocol_.OnLoaded(std::move(*shared), versions, links_.clock.Read());
  });
}

void DomainRunner::Carry(const core::OwnerProtocol::Flush& request) {
  step_open_ = true;
  step_.began = links_.clock.Steady();
  step_.waits_since = std::min(step_.began, std::exchange(waits_since_, SteadyTime::Infinite()));
  OnDatabase([this, request] {
    const SteadyTime began = links_.clock.Steady();
    const core::FlushResult result = store_->Flush(request.epoch, request.seq, *request.batch);
    links_.observer.Flushed(domain_, result.verdict, request.batch->rows(),
                            links_.clock.Steady() - began);
    if (result.verdict != core::FlushVerdict::kCommitted) {
      obs::Warning("flush not committed", {{"domain", domain_},
                                           {"flush_seq", request.seq},
                                           {"verdict", static_cast<int>(result.verdict)},
                                           {"status", result.status}});
    }
    Call([this, result] {
      step_open_ = false;
      committed_step_ = step_;
      protocol_.OnFlushed(result, links_.clock.Read());
    });
  });
}

void DomainRunner::Carry(const core::OwnerProtocol::TakeIds& request) {
  OnDatabase([this, request] {
    const auto block = store_->TakeIds(request.epoch, request.count);
    const auto ids =
        block.ok()
            ? absl::StatusOr<std::pair<RunId, int64_t>>(std::pair(block->first, block->count))
            : block.status();
    Call([this, ids] { protocol_.OnIds(ids, links_.clock.Read()); });
  });
}

void DomainRunner::Carry(const core::OwnerProtocol::Release& request) {
  OnDatabase([this, request] {
    const absl::Status status = store_->Release(request.epoch);
    Call([this, status] { protocol_.OnReleased(status, links_.clock.Read()); });
  });
}

void DomainRunner::LoadVersions() {
  for (VersionId id : protocol_.TakeWantedVersions()) {
    if (!loading_versions_.insert(id).second) continue;
    const bool posted = links_.reads.TryPost([this, id] {
      const auto topology = links_.versions.Load(id);
      Call([this, id, topology] {
        loading_versions_.erase(id);
        if (topology.ok()) {
          protocol_.Offer(core::VersionLoaded{id, *topology});
        } else {
          obs::Error("version not loadable", {{"version", id}, {"error", topology.status()}});
        }
      });
    });
    if (!posted) loading_versions_.erase(id);
  }
}

// ---- After a commit ----

void DomainRunner::Act(core::Effects effects) {
  flush_seq_.store(protocol_.flush_seq().value());
  delivery_.Send(effects);
  if (!effects.assigns.empty()) {
    const SteadyTime now = links_.clock.Steady();
    links_.observer.Assigned(domain_, effects.assigns.size(), now - committed_step_.waits_since,
                             now - committed_step_.began);
  }
  for (core::Reply& reply : effects.replies) {
    const auto it = waiting_.find(reply.command);
    if (it == waiting_.end()) continue;
    const Engine::Done done = std::move(it->second);
    waiting_.erase(it);
    done(std::move(reply));
  }
  for (int64_t id : effects.batch.inbox_done) inbox_offered_.erase(id);
  watches_.Changed(effects.changed_runs);
}

void DomainRunner::FollowOwnership() {
  if (protocol_.owner() && generation_ != protocol_.generation()) {
    generation_ = protocol_.generation();
    inbox_offered_.clear();
    if (registered_ == protocol_.epoch()) {
      links_.hub.Resync(domain_);
    } else {
      links_.hub.Register(domain_, protocol_.epoch(), this);
      registered_ = protocol_.epoch();
      obs::Info("owner of domain", {{"domain", domain_}, {"epoch", registered_}});
    }
    owner_.store(true);
  }
  if (!protocol_.owner() && protocol_.domain() == nullptr && owner()) {
    if (protocol_.reloading()) return;  // still ours, its memory is being built anew
    owner_.store(false);
    links_.hub.Unregister(domain_);
    registered_ = Epoch();
    obs::Info("let go of domain", {{"domain", domain_}, {"why", protocol_.trouble()}});
  }
}

// ---- Inbox ----

void DomainRunner::PollInbox(SteadyTime now) {
  if (!owner() || inbox_busy_ || now < next_inbox_) return;
  next_inbox_ = now + kInboxInterval;
  inbox_busy_ = links_.reads.TryPost([this] {
    auto rows = links_.catalog.ReadInbox(domain_, 100);
    Call([this, rows = std::move(rows)] {
      inbox_busy_ = false;
      if (rows.ok() && !rows->empty()) OfferInbox(*rows);
    });
  });
}

void DomainRunner::OfferInbox(std::vector<store::InboxRow> rows) {
  std::erase_if(rows, [this](const auto& row) { return !inbox_offered_.insert(row.id).second; });
  if (rows.empty()) return;
  links_.reads.TryPost([this, rows = std::move(rows)] {
    for (const store::InboxRow& row : rows) {
      auto body = links_.decoder.Decode(row);
      const bool passing =
          absl::IsUnavailable(body.status()) || absl::IsResourceExhausted(body.status()) ||
          absl::IsDeadlineExceeded(body.status()) || absl::IsAborted(body.status());
      if (!body.ok() && !passing && !absl::IsAlreadyExists(body.status())) {
        obs::Error("inbox row refused",
                   {{"domain", domain_}, {"row", row.id}, {"error", body.status()}});
      }
      auto command = std::make_shared<core::Command>();
      command->inbox_id = row.id;
      command->actor = "inbox";
      // A row that can never be applied is consumed by a command that does nothing.
      command->body = body.ok() ? *std::move(body) : core::CommandBody(core::CreateRuns{});
      Call([this, command, passing] {
        if (passing || !protocol_.Offer(*command)) inbox_offered_.erase(command->inbox_id);
      });
    }
  });
}

}  // namespace penstock::engine
