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

constexpr absl::Duration kLongestRest = absl::Seconds(1);
constexpr size_t kManyAssigns = 64;

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

void DomainRunner::Soon(Call call) {
  {
    MutexLock lock(&mu_);
    calls_.push_back(std::move(call));
  }
  News();
}

void DomainRunner::Post(core::Event event) {
  {
    MutexLock lock(&mu_);
    events_.push_back(std::move(event));
  }
  News();
}

void DomainRunner::Post(std::vector<core::Event> events) {
  {
    MutexLock lock(&mu_);
    for (core::Event& event : events) events_.push_back(std::move(event));
  }
  News();
}

bool DomainRunner::LeaseHolds(SteadyTime now) const { return owner() && lease_.Holds(now); }

void DomainRunner::Observe(Epoch epoch, SchedulerId owner, SchedulerId self, SteadyTime sent,
                           absl::Duration term) {
  if (owner == self) {
    lease_.Beat(sent, term);
  } else {
    lease_.End();
  }
  Soon([this, epoch, owner, self]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
    protocol_.Observe(epoch, owner, self, links_.clock.Read());
  });
}

void DomainRunner::Take(SchedulerId self) {
  Soon([this, self]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
    self_ = self;
    protocol_.WantOwnership();
  });
}

void DomainRunner::Recheck() {
  Soon([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) { protocol_.Recheck(links_.clock.Read()); });
}

void DomainRunner::HandOver() {
  Soon([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
    if (protocol_.owner()) protocol_.WantRelease();
  });
}

void DomainRunner::Execute(core::CommandBody body, std::string actor, Engine::Done done) {
  auto command = std::make_shared<core::Command>();
  command->body = std::move(body);
  command->actor = std::move(actor);
  Soon([this, command, done = std::move(done)]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) mutable {
    OfferCommand(std::move(*command), std::move(done));
  });
}

void DomainRunner::Read(std::function<void(const core::Domain&)> read,
                        std::function<void(absl::Status)> done) {
  Soon([this, read = std::move(read), done = std::move(done)]()
           ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) mutable { DoRead(read, std::move(done)); });
}

std::shared_ptr<void> DomainRunner::Watch(RunId run, std::function<void()> changed) {
  auto handle = watches_.Add(run, std::move(changed));
  loop_.Wake();
  return handle;
}

void DomainRunner::InboxHint() {
  Soon([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) { inbox_.Hurry(); });
}

void DomainRunner::GiveUpWaiting() {
  Soon([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
    AnswerWaiting("the database does not answer this scheduler");
  });
}

// ---- Whose turn it is ----

// At rest a free database thread is called, so that the flush which follows needs no hand-over.
// Otherwise the domain's own thread gathers while the statement is under way.
void DomainRunner::News() {
  if (on_database_.load()) return loop_.Wake();
  if (called_.exchange(true)) return;  // whoever was called has yet to look
  const bool called = links_.flushes.TryPostToIdle(
      [this] { RunStatements(TakeTurn([this] { called_.store(false); })); });
  if (called) return;
  called_.store(false);
  loop_.Wake();
}

void DomainRunner::Loop(service::StopToken token) {
  do {
    watches_.Tell(links_.clock.Steady());
    Statement statement = TakeTurn([] {});
    if (statement && !PostStatement(&statement)) RunStatements(std::move(statement));
  } while (token.Wait(UntilDue()));
  MutexLock turn(&turn_);
  End();
}

// Statements that are still under way find that it has ended.
void DomainRunner::End() {
  ended_ = true;
  AnswerWaiting("the scheduler is stopping");
  if (registered_) links_.hub.Unregister(domain_);
  registered_ = Epoch();
  owner_.store(false);
}

SteadyTime DomainRunner::Due() const {
  const SteadyTime due =
      std::min({watches_.Due(), protocol_.NextSteady(), links_.clock.Steady() + kLongestRest});
  return owner() ? std::min(due, inbox_.Due()) : due;
}

absl::Duration DomainRunner::UntilDue() {
  MutexLock turn(&turn_);
  loop_due_ = Due();
  return std::max(loop_due_ - links_.clock.Steady(), absl::ZeroDuration());
}

DomainRunner::Statement DomainRunner::TakeTurn(const Call& first) {
  MutexLock turn(&turn_);
  if (ended_) return nullptr;
  first();
  Statement statement = Pass();
  if (Due() < loop_due_) loop_.Wake();
  return statement;
}

bool DomainRunner::PostStatement(Statement* statement) {
  const auto shared = std::make_shared<Statement>(std::move(*statement));
  if (links_.flushes.TryPost([this, shared] { RunStatements(std::move(*shared)); })) return true;
  *statement = std::move(*shared);
  return false;
}

void DomainRunner::RunStatements(Statement statement) {
  while (statement) {
    const Call answer = statement();
    statement = TakeTurn([&] {
      on_database_.store(false);
      answer();
    });
    // Other domains are not kept waiting by a busy one.
    if (statement && links_.flushes.QueueLength() > 0 && PostStatement(&statement)) return;
  }
}

DomainRunner::Statement DomainRunner::Pass() {
  last_pass_us_.store(links_.clock.Steady().micros());
  for (core::Effects& effects : std::exchange(undelivered_, {})) Act(std::move(effects));
  TakeIn();
  protocol_.Pump(links_.clock.Read());
  Statement statement;
  if (auto request = protocol_.Next(links_.clock.Read())) {
    on_database_.store(true);
    statement = std::visit(
        [this](const auto& r) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) { return Carry(r); }, *request);
  }
  std::vector<core::Effects> deliveries = protocol_.TakeDeliveries();
  if (statement && !deliveries.empty() && deliveries.front().assigns.size() > kManyAssigns) {
    // Sending so many takes a while, and the statement need not wait for that.
    undelivered_ = std::move(deliveries);
    loop_.Wake();
  } else {
    for (core::Effects& effects : deliveries) Act(std::move(effects));
  }
  // What did not fit is gathered while the statement is under way.
  if (statement && protocol_.flushing_full()) loop_.Wake();
  FollowOwnership();
  LoadVersions();
  FinishReads();
  PollInbox(links_.clock.Steady());
  // With no step under way, whatever came needed none.
  if (!step_open_) waits_since_ = SteadyTime::Infinite();
  return statement;
}

void DomainRunner::TakeIn() {
  std::vector<core::Event> events;
  std::vector<Call> calls;
  {
    MutexLock lock(&mu_);
    events.swap(events_);
    calls.swap(calls_);
  }
  if (!events.empty()) waits_since_ = std::min(waits_since_, links_.clock.Steady());
  for (core::Event& event : events) protocol_.Offer(std::move(event));
  for (const Call& call : calls) call();
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

void DomainRunner::AnswerWaiting(std::string_view why) {
  for (auto& [id, done] : std::exchange(waiting_, {})) {
    core::Reply reply;
    reply.status = InDoubt(why);
    done(std::move(reply));
  }
  const absl::Status unavailable = MakeStatus(absl::StatusCode::kUnavailable, why);
  for (PendingRead& read : std::exchange(reads_, {})) read.done(unavailable);
}

// A read is answered once everything that it saw has been committed.
void DomainRunner::FinishReads() {
  std::erase_if(reads_, [this](PendingRead& read) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
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

DomainRunner::Statement DomainRunner::Carry(const core::OwnerProtocol::TakeOver& request) {
  return [this, request, self = self_, began = links_.clock.Steady()] {
    return Loaded(false, began, store_->TakeOver(self, request));
  };
}

DomainRunner::Statement DomainRunner::Carry(const core::OwnerProtocol::Reload& request) {
  return [this, request, began = links_.clock.Steady()] {
    return Loaded(true, began, store_->Reload(request));
  };
}

DomainRunner::Call DomainRunner::Loaded(bool reload, SteadyTime began,
                                        absl::StatusOr<core::LoadResult> result) {
  core::VersionMap versions;
  if (result.ok()) {
    auto loaded = links_.versions.LoadAll(result->facts);
    if (loaded.ok()) {
      versions = *std::move(loaded);
    } else {
      result = loaded.status();
    }
  }
  if (result.ok() && !reload && !result->facts.suspect.empty()) {
    obs::Warning("the last owner ended while it worked on something",
                 {{"domain", domain_}, {"suspect", result->facts.suspect}});
  }
  links_.observer.Loaded(domain_, reload, result.ok(), links_.clock.Steady() - began);
  obs::Log(
      result.ok() ? obs::LogLevel::kInfo : obs::LogLevel::kWarning, reload ? "reload" : "takeover",
      {{"domain", domain_}, {"took", links_.clock.Steady() - began}, {"status", result.status()}});
  auto shared = std::make_shared<absl::StatusOr<core::LoadResult>>(std::move(result));
  return [this, shared, versions = std::move(versions)]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
    protocol_.OnLoaded(std::move(*shared), versions, links_.clock.Read());
  };
}

DomainRunner::Statement DomainRunner::Carry(const core::OwnerProtocol::Flush& request) {
  step_open_ = true;
  step_.began = links_.clock.Steady();
  step_.waits_since = std::min(step_.began, std::exchange(waits_since_, SteadyTime::Infinite()));
  return [this, request]() -> Call {
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
    return [this, result]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
      step_open_ = false;
      committed_step_ = step_;
      protocol_.OnFlushed(result, links_.clock.Read());
    };
  };
}

DomainRunner::Statement DomainRunner::Carry(const core::OwnerProtocol::TakeIds& request) {
  return [this, request]() -> Call {
    const auto block = store_->TakeIds(request.epoch, request.count);
    const auto ids =
        block.ok()
            ? absl::StatusOr<std::pair<RunId, int64_t>>(std::pair(block->first, block->count))
            : block.status();
    return [this, ids]()
               ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) { protocol_.OnIds(ids, links_.clock.Read()); };
  };
}

DomainRunner::Statement DomainRunner::Carry(const core::OwnerProtocol::Release& request) {
  return [this, request]() -> Call {
    const absl::Status status = store_->Release(request.epoch);
    return [this, status]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
      protocol_.OnReleased(status, links_.clock.Read());
    };
  };
}

DomainRunner::Statement DomainRunner::Carry(const core::OwnerProtocol::Note& request) {
  return [this, request]() -> Call {
    const absl::Status status = store_->Note(request.epoch, request.suspect);
    if (!status.ok()) {
      obs::Warning("suspect not noted",
                   {{"domain", domain_}, {"suspect", request.suspect}, {"status", status}});
    }
    return [this, status]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
      protocol_.OnNoted(status, links_.clock.Read());
    };
  };
}

void DomainRunner::LoadVersions() {
  for (VersionId id : protocol_.TakeWantedVersions()) {
    if (!loading_versions_.insert(id).second) continue;
    const bool posted = links_.reads.TryPost([this, id] {
      const auto topology = links_.versions.Load(id);
      Soon([this, id, topology]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
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
    if (reply.in_doubt) reply.status = InDoubt(Message(reply.status));
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
    // Still ours, its memory is being built anew.
    if (protocol_.reloading() && !protocol_.waiting()) return;
    owner_.store(false);
    links_.hub.Unregister(domain_);
    registered_ = Epoch();
    obs::Info("let go of domain", {{"domain", domain_}, {"why", protocol_.trouble()}});
  }
}

// ---- Inbox ----

void DomainRunner::PollInbox(SteadyTime now) {
  if (!owner() || !inbox_.Begin(now)) return;
  const bool asked = links_.reads.TryPost([this] {
    auto rows = links_.catalog.ReadInbox(domain_, 100);
    Soon([this, rows = std::move(rows)]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
      inbox_.Answered();
      if (rows.ok() && !rows->empty()) OfferInbox(*rows);
    });
  });
  if (!asked) inbox_.Answered();
}

void DomainRunner::OfferInbox(std::vector<store::InboxRow> rows) {
  std::erase_if(rows, [this](const auto& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
    return !inbox_offered_.insert(row.id).second;
  });
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
      Soon([this, command, passing]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_) {
        if (passing || !protocol_.Offer(*command)) inbox_offered_.erase(command->inbox_id);
      });
    }
  });
}

}  // namespace penstock::engine
