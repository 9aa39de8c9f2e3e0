#include "worker/exec/engine.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "worker/exec/event_tag.h"
#include "worker/guard/wire.h"

namespace penstock::worker::exec {
namespace {

// Three descriptors per attempt may be more than the usual soft limit. Attempts keep that limit:
// they have it from the guardian, which was started before.
void RaiseOpenFiles() {
  struct rlimit limit {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

EnvironmentOptions WithLife(EnvironmentOptions environment, const std::string& life) {
  environment.life = life;
  return environment;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(const Options& options, const Clock& clock,
                                                      AttemptListener& listener) {
  PENSTOCK_ASSIGN_OR_RETURN(auto guardian, guard::GuardianClient::Start(options.guardian));
  RaiseOpenFiles();
  std::unique_ptr<Engine> engine(new Engine(options, clock, listener, std::move(guardian)));
  if (!engine->epoll_ || !engine->wake_) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, "out of descriptors");
  }
  PENSTOCK_RETURN_IF_ERROR(engine->Watch(engine->wake_.get(), Pack({EventKind::kWake, 0})));
  PENSTOCK_RETURN_IF_ERROR(engine->Watch(engine->guardian_->fd(), Pack({EventKind::kGuardian, 0})));
  return engine;
}

Engine::Engine(const Options& options, const Clock& clock, AttemptListener& listener,
               std::unique_ptr<guard::GuardianClient> guardian)
    : options_(options),
      environment_(WithLife(options.environment, guardian->life())),
      clock_(clock),
      listener_(listener),
      guardian_(std::move(guardian)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

// The runners see their sockets close before the guardian's client waits for the guardian's end.
Engine::~Engine() {
  guardian_->Quit();
  slots_.clear();
}

absl::Status Engine::Run() {
  while (true) {
    if (absl::Status status = HandleEvents(); !status.ok()) {
      AwaitRunners();
      guardian_->EndEverything();
      FinishAll(Message(status));
      return status;
    }
    if (!RunCommands()) return absl::OkStatus();
    StartQueued();
  }
}

void Engine::Stop() {
  {
    MutexLock lock(&mu_);
    stop_ = true;
  }
  Wake();
}

void Engine::Launch(LaunchSpec spec) { Post(std::move(spec)); }
void Engine::Kill(const KillOrder& order) { Post(order); }
void Engine::ExtendLease(DomainId domain, SteadyTime deadline) {
  Post(Extension{domain, deadline});
}
void Engine::PauseOutput(const AttemptKey& key, bool paused) { Post(Pause{key, paused}); }
void Engine::SetLastWords(std::vector<std::string> argv) { Post(LastWords{std::move(argv)}); }

void Engine::Post(Command command) {
  bool was_empty = false;
  {
    MutexLock lock(&mu_);
    was_empty = inbox_.empty();
    inbox_.push_back(std::move(command));
  }
  if (was_empty) Wake();
}

void Engine::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof(one));  // full = awake already
}

bool Engine::RunCommands() {
  std::vector<Command> commands;
  {
    MutexLock lock(&mu_);
    if (stop_) return false;
    commands.swap(inbox_);
  }
  for (Command& command : commands) {
    std::visit([this](auto& value) { Do(std::move(value)); }, command);
  }
  return true;
}

void Engine::Do(LaunchSpec spec) {
  if (spec.argv.empty()) {
    Report report;
    report.outcome = Outcome::kSuccess;
    report.started_at_us = report.finished_at_us = WallMicros();
    listener_.OnFinished(spec.key, std::move(report));
    return;
  }
  const bool queued = std::any_of(queued_.begin(), queued_.end(),
                                  [&](const LaunchSpec& other) { return other.key == spec.key; });
  if (!queued && !slot_by_key_.contains(spec.key)) queued_.push_back(std::move(spec));
}

bool Engine::KillQueued(const KillOrder& order) {
  const auto it = std::find_if(queued_.begin(), queued_.end(),
                               [&](const LaunchSpec& spec) { return spec.key == order.key; });
  if (it == queued_.end()) return false;
  queued_.erase(it);
  listener_.OnFinished(order.key, FailedReport(order.cause, "stopped before it started"));
  return true;
}

void Engine::Do(const KillOrder& order) {
  const auto it = slot_by_key_.find(order.key);
  if (it == slot_by_key_.end()) {
    KillQueued(order);
    return;
  }
  const Slot& slot = slots_[it->second];
  Running& running = *slot.running;
  if (!running.kill_sent) running.facts.kill_cause = order.cause;
  running.kill_sent = true;
  const int64_t grace_us = order.at_once ? 0 : absl::ToInt64Microseconds(options_.kill_grace);
  guard::Send(slot.socket.get(),
              guard::Kill{guard::MessageKind::kKill, running.sequence, grace_us});
}

void Engine::Do(const Extension& extension) {
  for (LaunchSpec& spec : queued_) {
    if (spec.domain == extension.domain) {
      spec.lease_deadline = std::max(spec.lease_deadline, extension.deadline);
    }
  }
  for (const Slot& slot : slots_) {
    if (slot.running == nullptr || slot.running->domain != extension.domain) continue;
    guard::Send(slot.socket.get(),
                guard::Extend{guard::MessageKind::kExtend, slot.running->sequence,
                              extension.deadline.micros()});
  }
}

void Engine::Do(const Pause& pause) {
  const auto it = slot_by_key_.find(pause.key);
  if (it == slot_by_key_.end()) return;
  Running& running = *slots_[it->second].running;
  if (std::exchange(running.paused, pause.paused) == pause.paused) return;
  if (!pause.paused) return WatchOutput(it->second);
  for (const LogStream stream : {LogStream::kStdout, LogStream::kStderr}) {
    const int fd = running.output->fd(stream);
    if (fd >= 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
}

void Engine::Do(const LastWords& last_words) {
  // A guardian that cannot be reached is seen by its socket.
  (void)guardian_->SetLastWords(last_words.argv);
}

}  // namespace penstock::worker::exec
