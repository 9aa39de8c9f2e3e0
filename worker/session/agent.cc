#include "worker/session/agent.h"

#include <algorithm>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/obs/log.h"

namespace penstock::worker {

namespace {

constexpr size_t kMessageBytes = 1 << 20;
constexpr absl::Duration kLongestSleep = absl::Minutes(1);

WorkerCore::Options WithSession(WorkerCore::Options options) {
  options.first_session = SessionId(RandomId());
  options.seed = static_cast<uint64_t>(RandomId());
  return options;
}

service::Executor::Options LoaderThreads() {
  service::Executor::Options options;
  options.name = "loader";
  options.threads = 2;
  return options;
}

}  // namespace

Agent::Agent(Options options, const Clock& clock, Runner& runner, obs::Registry& registry)
    : options_(std::move(options)),
      clock_(clock),
      runner_(runner),
      metrics_(registry),
      calls_(book_),
      loader_(LoaderThreads()),
      library_(options_.versions, calls_, loader_, clock_),
      shipper_(options_.logs, book_, clock_,
               [this](const AttemptKey& key, bool paused) { runner_.PauseOutput(key, paused); }),
      core_(WithSession(options_.core)),
      connected_at_(clock_.Steady()),
      term_(options_.term),
      renew_at_(clock_.Steady() + term_ / 3),
      last_tick_(clock_.Steady()) {
  book_.Set(options_.schedulers);
  registry.AddCollector([this] { RefreshMetrics(); });
}

Agent::~Agent() { Stop(); }

void Agent::Start() {
  {
    MutexLock lock(&mu_);
    Reconcile(clock_.Steady());
  }
  Act();
  timer_.Start("worker-timer", [this](service::StopToken token) { RunTimer(token); });
}

void Agent::Drain(absl::Duration grace) {
  {
    MutexLock lock(&mu_);
    const Now now = clock_.Read();
    if (!core_.draining()) obs::Info("draining", {{"grace", grace}});
    core_.Drain(grace, now, &effects_);
    TurnAndWake(now);
  }
  Act();
}

bool Agent::WaitDrained(absl::Duration timeout) const { return drained_.WaitFor(timeout); }

bool Agent::WaitLogs(absl::Duration timeout) const {
  const SteadyTime give_up = clock_.Steady() + timeout;
  while (!shipper_.Empty()) {
    if (clock_.Steady() >= give_up) return false;
    logs_stopped_.WaitFor(absl::Milliseconds(10));
  }
  return true;
}

void Agent::Stop() {
  std::vector<std::shared_ptr<Out>> streams;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    for (auto& [key, link] : links_) {
      if (link.stream != nullptr) streams.push_back(link.stream);
    }
  }
  timer_.Stop();
  loader_.Shutdown(service::Executor::Pending::kDrop);
  shipper_.Stop();
  const absl::Status reason = MakeStatus(absl::StatusCode::kCancelled, "the worker stops");
  for (const auto& stream : streams) stream->Cancel(reason);
  MutexLock lock(&mu_);
  while (open_streams_ > 0) links_ended_.Wait(&mu_);
}

// ---- From the runner ----

void Agent::OnStarted(const AttemptKey& key, int64_t started_at_us) {
  {
    MutexLock lock(&mu_);
    const Now now = clock_.Read();
    if (const auto it = starting_.find(key); it != starting_.end()) {
      metrics_.ObserveStart(now.steady - it->second);
      starting_.erase(it);
    }
    core_.Started(key, started_at_us, &effects_);
    TurnAndWake(now);
  }
  Act();
}

void Agent::OnOutput(const AttemptKey& key, exec::LogPiece piece) {
  if (shipper_.Append(key, std::move(piece))) timer_.Wake();
}

void Agent::OnEnded(const AttemptKey& key, Report report) {
  metrics_.CountResult(report);
  {
    MutexLock lock(&mu_);
    const Now now = clock_.Read();
    if (const auto starting = starting_.extract(key); !starting.empty() && report.started_at_us) {
      const absl::Duration ago = now.wall - absl::FromUnixMicros(report.started_at_us);
      metrics_.ObserveStart(now.steady - ago - starting.mapped());
    }
    core_.Finished(key, std::move(report), now, &effects_);
    TurnAndWake(now);
  }
  Act();
}

Agent::View Agent::Look() const {
  MutexLock lock(&mu_);
  View view;
  view.core = core_.Look();
  for (const auto& [key, link] : links_) view.streams += link.state == LinkState::kWelcomed;
  view.draining = core_.draining();
  view.drained = core_.Drained();
  view.last_tick = last_tick_;
  view.ticks = ticks_;
  return view;
}

Agent::Farewell Agent::farewell() const {
  MutexLock lock(&mu_);
  return {core_.sessions(), book_.List()};
}

void Agent::RefreshMetrics() {
  const View view = Look();
  AgentLevels levels;
  levels.core = view.core;
  levels.slots = options_.core.slots;
  levels.streams = view.streams;
  levels.draining = view.draining;
  levels.log_buffered_bytes = shipper_.buffered_bytes();
  levels.log_sent_bytes = shipper_.sent_bytes();
  levels.log_dropped_bytes = shipper_.dropped_bytes();
  levels.version_bytes = library_.bytes();
  metrics_.Show(levels, clock_.Steady());
}

// ---- The turn ----

// After every batch of inputs: lets the core act, and takes note of what concerns the links.
void Agent::Turn(const Now& now) {
  core_.Settle(now, &effects_);
  if (!effects_.sessions_opened.empty() || !effects_.sessions_closed.empty()) {
    obs::Warning("went over to another session",
                 {{"session", core_.sessions().back()}, {"sessions", core_.sessions().size()}});
    effects_.sessions_opened.clear();
    effects_.sessions_closed.clear();
    last_words_changed_ = true;
    Reconcile(now.steady);
  }
  if (core_.Drained()) drained_.Set();
}

void Agent::TurnAndWake(const Now& now) {
  Turn(now);
  if (core_.NextWakeup() < timer_due_) timer_.Wake();
}

void Agent::Act() {
  {
    MutexLock lock(&mu_);
    if (acting_) return;
    acting_ = true;
  }
  for (;;) {
    Work work;
    {
      MutexLock lock(&mu_);
      if (!TakeWork(&work)) {
        acting_ = false;
        return;
      }
    }
    Carry(std::move(work));
  }
}

bool Agent::TakeWork(Work* work) {
  if (effects_.empty() && to_cancel_.empty() && loads_.empty() && !last_words_changed_) {
    return false;
  }
  work->fx = std::exchange(effects_, Effects());
  work->to_cancel = std::exchange(to_cancel_, {});
  work->loads = std::exchange(loads_, {});
  for (Outgoing& outgoing : work->fx.out) {
    const Link* link = FindLink(outgoing.stream);
    if (link != nullptr && link->stream != nullptr) {
      work->out.emplace_back(link->stream, std::move(outgoing));
    }
  }
  for (const StreamId id : work->fx.streams_to_reopen) {
    const Link* link = FindLink(id);
    if (link != nullptr && link->stream != nullptr) work->to_cancel.push_back(link->stream);
  }
  for (const Launch& launch : work->fx.launches) {
    auto payload = payloads_.extract(launch.key);
    if (!payload.empty()) work->launches.emplace_back(launch, std::move(payload.mapped()));
    starting_[launch.key] = clock_.Steady();
  }
  for (const AttemptKey& key : work->fx.forgotten) payloads_.erase(key);
  if (std::exchange(last_words_changed_, false)) {
    work->last_words = true;
    work->sessions = core_.sessions();
    work->schedulers = book_.List();
  }
  return true;
}

// Without the lock; one thread at a time.
void Agent::Carry(Work work) {
  if (work.last_words) runner_.SetLastWords(work.sessions, work.schedulers);
  for (const LeaseExtension& lease : work.fx.leases) {
    runner_.ExtendLease(lease.domain, lease.deadline);
  }
  for (auto& [launch, payload] : work.launches) LaunchOne(launch, std::move(payload));
  for (const KillOrder& kill : work.fx.kills) runner_.Kill(kill);
  for (auto& [stream, outgoing] : work.out) {
    bool sent = true;
    for (v1::WorkerMessage& message : ToProto(std::move(outgoing), kMessageBytes)) {
      sent = sent && stream->Send(std::move(message));
    }
    // What is lost here is said again in the next hello.
    if (!sent) work.to_cancel.push_back(stream);
  }
  for (const auto& stream : work.to_cancel) {
    stream->Cancel(MakeStatus(absl::StatusCode::kUnavailable, "the stream is to be opened again"));
  }
  for (const VersionId id : work.loads) {
    library_.Load(
        id, [this, id](const absl::StatusOr<LoadedVersion>& loaded) { OnVersion(id, loaded); });
  }
  if (work.fx.duplicate_session && options_.on_duplicate_session) options_.on_duplicate_session();
}

// ---- Preparing and launching ----

void Agent::LaunchOne(const Launch& launch, Payload payload) {
  const Version& version = *payload.loaded->version;
  const dag::TaskSpec& spec = *version.task(launch.key.task);
  auto rendered = version.Render(launch.key, payload.facts);
  if (!rendered.ok()) {
    MutexLock lock(&mu_);
    const Now now = clock_.Read();
    Fail(launch.key, Outcome::kFailedNoRetry, Cause::kExpression, Message(rendered.status()), now);
    return TurnAndWake(now);
  }
  exec::LaunchSpec wanted;
  wanted.key = launch.key;
  wanted.domain = launch.domain;
  wanted.lease_deadline = launch.deadline;
  wanted.argv = std::move(rendered->argv);
  wanted.env = std::move(rendered->env);
  wanted.namespace_name = version.namespace_name();
  wanted.dag = version.dag().dag;
  wanted.task = spec.id;
  wanted.run_key = RunKeyOf(launch.key.run, payload.facts);
  wanted.logical_date = FormatLogicalDate(payload.facts.logical_date_us);
  wanted.params_json = payload.facts.params_json;
  wanted.try_number = payload.facts.try_number;
  wanted.timeout = spec.settings->timeout;
  wanted.memory_bytes = spec.settings->resources.memory_bytes;
  wanted.skip_exit_code = spec.settings->skip_exit_code;
  wanted.bundle = payload.loaded->bundle;
  runner_.Launch(std::move(wanted));
}

void Agent::OnVersion(VersionId id, const absl::StatusOr<LoadedVersion>& loaded) {
  if (!loaded.ok()) {
    obs::Warning("cannot load a version", {{"version", id}, {"status", loaded.status()}});
  }
  {
    MutexLock lock(&mu_);
    const Now now = clock_.Read();
    const auto waiting = loading_.find(id);
    if (waiting == loading_.end()) return;
    const std::vector<AttemptKey> keys = std::move(waiting->second);
    loading_.erase(waiting);
    for (const AttemptKey& key : keys) Prepare(key, loaded, now);
    TurnAndWake(now);
  }
  Act();
}

void Agent::Prepare(const AttemptKey& key, const absl::StatusOr<LoadedVersion>& loaded,
                    const Now& now) {
  const auto payload = payloads_.find(key);
  if (payload == payloads_.end()) return;  // handed back in the meantime
  if (!loaded.ok()) {
    if (!VersionLibrary::IsFinal(loaded.status())) return core_.Decline(key, &effects_);
    return Fail(key, Outcome::kFailed, Cause::kSpawnFailed, Message(loaded.status()), now);
  }
  const dag::TaskSpec* task = loaded->version->task(key.task);
  if (task == nullptr) {
    return Fail(key, Outcome::kFailedNoRetry, Cause::kSpawnFailed,
                "the DAG version has no task with this number", now);
  }
  if (task->kind == dag::TaskKind::kNoop) {
    return Fail(key, Outcome::kSuccess, Cause::kNone, "", now);
  }
  payload->second.loaded = std::make_shared<const LoadedVersion>(*loaded);
  core_.Prepared(key, loaded->version->demand(key.task), now);
}

// Ends an attempt that has no process.
void Agent::Fail(const AttemptKey& key, Outcome outcome, Cause cause, std::string_view error,
                 const Now& now) {
  payloads_.erase(key);
  starting_.erase(key);
  Report report;
  report.outcome = outcome;
  report.cause = cause;
  report.error = error;
  report.started_at_us = report.finished_at_us = absl::ToUnixMicros(now.wall);
  metrics_.CountResult(report);
  core_.Finished(key, std::move(report), now, &effects_);
}

// ---- The timer ----

void Agent::RunTimer(service::StopToken token) {
  while (token.Wait(OneTick())) {
  }
}

absl::Duration Agent::OneTick() {
  SteadyTime next;
  {
    MutexLock lock(&mu_);
    timer_due_ = SteadyTime::Infinite();  // until it is known, every need wakes this thread
    const Now now = clock_.Read();
    last_tick_ = now.steady;
    ++ticks_;
    if (now.steady >= renew_at_) {
      core_.Renew(now, &effects_);
      renew_at_ = now.steady + term_ / 3;
    }
    Turn(now);
    next = std::min(core_.NextWakeup(), renew_at_);
  }
  Act();
  next = std::min({next, TendLinks(clock_.Steady()), shipper_.Tick()});
  MutexLock lock(&mu_);
  timer_due_ = next;
  return std::clamp(next - clock_.Steady(), absl::Milliseconds(1), kLongestSleep);
}

}  // namespace penstock::worker
