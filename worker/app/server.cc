#include "worker/app/server.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>

#include "common/base/clock.h"
#include "common/http/endpoint.h"
#include "common/http/health.h"
#include "common/obs/log.h"
#include "common/obs/process_metrics.h"
#include "common/service/event.h"
#include "common/service/lifecycle.h"
#include "common/service/signals.h"
#include "common/service/thread.h"
#include "worker/app/engine_runner.h"
#include "worker/session/scheduler_calls.h"

namespace penstock::worker {

namespace {

constexpr absl::Duration kReportPatience = absl::Seconds(10);
constexpr absl::Duration kFarewellPatience = absl::Seconds(1);
constexpr absl::Duration kAcknowledgePatience = absl::Seconds(5);
constexpr absl::Duration kLogPatience = absl::Seconds(5);
constexpr absl::Duration kSilentTimer = absl::Seconds(30);

std::string MachineName() {
  struct utsname names {};
  return uname(&names) == 0 ? names.nodename : "worker";
}

std::string OwnProgram() {
  std::array<char, 4096> path{};
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size() - 1);
  return size > 0 ? std::string(path.data(), static_cast<size_t>(size)) : "penstock-worker";
}

int SlotsOf(const Config& config) {
  if (config.slots > 0) return config.slots;
  return 2 * static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

exec::Engine::Options EngineOptions(const Config& config) {
  exec::Engine::Options options;
  options.guardian.root = config.work_dir;
  options.guardian.use_cgroups = config.use_cgroups;
  options.max_concurrent = SlotsOf(config);
  options.kill_grace = config.kill_grace;
  options.max_log_bytes = config.max_log_bytes;
  for (const std::string& name : config.pass_env) {
    if (const char* value = std::getenv(name.c_str())) {
      options.environment.handed_on.push_back(name + "=" + value);
    }
  }
  return options;
}

Agent::Options AgentOptions(const Config& config, const Clock& clock,
                            std::function<void()> on_duplicate) {
  Agent::Options options;
  options.schedulers = config.schedulers;
  options.introduction.name = config.name.empty() ? MachineName() : config.name;
  options.introduction.group = config.group;
  options.introduction.queues = config.queues;
  options.introduction.labels = config.labels;
  options.introduction.capacity = config.capacity;
  options.introduction.slots = SlotsOf(config);
  options.introduction.started_at_us = absl::ToUnixMicros(clock.Wall());
  options.introduction.version = PENSTOCK_VERSION;
  options.core.slots = SlotsOf(config);
  options.core.max_prefetch = config.max_prefetch;
  options.core.capacity = config.capacity;
  options.on_duplicate_session = std::move(on_duplicate);
  return options;
}

// One life of the process. Members in the order of start; they go in reverse.
class Server {
 public:
  explicit Server(const Config& config) : config_(config), runner_(OwnProgram()) {}

  absl::Status StartEngine();
  absl::Status Start();
  // Waits for the reason to end and shuts down.
  int Run();

 private:
  void ServeHttp();
  http::Health Ready() const;
  http::Health Alive() const;
  void DrainAll();
  void Stop();

  const Config config_;
  const Clock& clock_ = RealClock();
  service::Event ending_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> duplicate_{false};
  obs::Registry registry_;
  EngineRunner runner_;
  std::unique_ptr<exec::Engine> engine_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<service::Thread> engine_thread_;
  std::unique_ptr<http::Endpoint> http_;
  std::unique_ptr<service::SignalThread> signals_;
};

absl::Status Server::StartEngine() {
  auto engine = exec::Engine::Start(EngineOptions(config_), clock_, runner_);
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  return absl::OkStatus();
}

absl::Status Server::Start() {
  signals_ = std::make_unique<service::SignalThread>([this](int signal) {
    obs::Info("asked to end", {{"signal", signal}});
    ending_.Set();
  });
  Agent::Options options = AgentOptions(config_, clock_, [this] {
    obs::Error("another process uses this session");
    failed_ = duplicate_ = true;
    ending_.Set();
  });
  options.introduction.dead_sessions = engine_->guardian().dead_sessions();
  if (!options.introduction.dead_sessions.empty()) {
    obs::Info("speaks for earlier workers on this machine",
              {{"dead_sessions", options.introduction.dead_sessions.size()}});
  }
  agent_ = std::make_unique<Agent>(std::move(options), clock_, runner_, registry_);
  runner_.Connect(engine_.get(), agent_.get());
  engine_thread_ = std::make_unique<service::Thread>("engine", [this] {
    if (const absl::Status status = engine_->Run(); !status.ok()) {
      obs::Error("the guardian is gone; every attempt was killed", {{"status", status}});
      failed_ = true;
      ending_.Set();
    }
  });
  ServeHttp();
  absl::Status listening = http_->Start();
  if (!listening.ok()) {
    Stop();
    return listening;
  }
  agent_->Start();
  obs::Info("worker started", {{"http", http_->address()},
                               {"slots", SlotsOf(config_)},
                               {"memory_cgroups", engine_->has_memory_cgroups()}});
  return absl::OkStatus();
}

void Server::ServeHttp() {
  obs::AddProcessMetrics(&registry_);
  obs::AddBuildInfo(&registry_, PENSTOCK_VERSION, "worker");
  http::Endpoint::Options options;
  options.address = config_.http;
  http_ = std::make_unique<http::Endpoint>(options);
  http::ServeMetrics(http_.get(), &registry_);
  http::ServeHealth(http_.get(), "/healthz", [this] { return Alive(); });
  http::ServeHealth(http_.get(), "/readyz", [this] { return Ready(); });
}

http::Health Server::Alive() const {
  if (clock_.Steady() - agent_->Look().last_tick < kSilentTimer) return {};
  return {false, "the timer has made no pass for long"};
}

http::Health Server::Ready() const {
  const Agent::View view = agent_->Look();
  if (view.draining) return {false, "draining"};
  if (view.streams == 0) return {false, "not connected to any scheduler"};
  return {};
}

int Server::Run() {
  ending_.Wait();
  DrainAll();
  Stop();
  obs::Info("worker ended");
  obs::FlushLog();
  return failed_ ? 1 : 0;
}

void Server::DrainAll() {
  const absl::Duration grace = failed_ ? absl::ZeroDuration() : config_.grace;
  agent_->Drain(grace);
  const absl::Duration patience = grace + config_.kill_grace + kAcknowledgePatience;
  if (!agent_->WaitDrained(patience)) obs::Warning("gave up waiting for the drain to end");
  if (!agent_->WaitLogs(kLogPatience)) obs::Warning("some output of attempts was not stored");
}

void Server::Stop() {
  http_->Stop();
  const Agent::Farewell farewell = agent_->farewell();
  agent_->Stop();
  engine_->Stop();
  engine_thread_.reset();
  // Kills what may still run; so it is true that the session is dead, unless it lives elsewhere.
  engine_.reset();
  if (duplicate_) return;
  for (const SessionId session : farewell.sessions) {
    ReportSessionDeath(session, farewell.schedulers, kFarewellPatience);
  }
}

}  // namespace

int RunWorker(const Config& config) {
  Server server(config);
  absl::Status status = server.StartEngine();
  if (status.ok()) status = server.Start();
  if (status.ok()) return server.Run();
  obs::Error("cannot start", {{"status", status}});
  return 1;
}

int ReportDeaths(const Config& config) {
  int heard = 0;
  for (const SessionId session : config.dead_sessions) {
    heard += ReportSessionDeath(session, config.schedulers, kReportPatience);
    obs::Info("reported the end of a session", {{"session", session}, {"schedulers", heard}});
  }
  return heard > 0 ? 0 : 1;
}

}  // namespace penstock::worker
