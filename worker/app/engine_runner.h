#pragma once
// Joins the agent with the engine that runs attempts.
#include <string>
#include <vector>

#include "worker/exec/engine.h"
#include "worker/exec/launch_spec.h"
#include "worker/session/agent.h"
#include "worker/session/runner.h"

namespace penstock::worker {

// Passes on what each side says to the other. Both are connected before either works, and
// disconnected (null) after both have stopped.
class EngineRunner final : public Runner, public exec::AttemptListener {
 public:
  // `program`: path of this program, for the last words.
  explicit EngineRunner(std::string program) : program_(std::move(program)) {}
  // Neither is owned.
  void Connect(exec::Engine* engine, Agent* agent) {
    engine_ = engine;
    agent_ = agent;
  }

  void Launch(exec::LaunchSpec spec) override { engine_->Launch(std::move(spec)); }
  void Kill(const KillOrder& order) override { engine_->Kill(order); }
  void ExtendLease(DomainId domain, SteadyTime deadline) override {
    engine_->ExtendLease(domain, deadline);
  }
  void PauseOutput(const AttemptKey& key, bool paused) override {
    engine_->PauseOutput(key, paused);
  }
  void SetLastWords(const std::vector<SessionId>& sessions,
                    const std::vector<std::string>& schedulers) override;

  void OnStarted(const AttemptKey& key, int64_t started_at_us) override {
    agent_->OnStarted(key, started_at_us);
  }
  void OnLog(const AttemptKey& key, exec::LogPiece piece) override {
    agent_->OnOutput(key, std::move(piece));
  }
  void OnFinished(const AttemptKey& key, Report report) override {
    agent_->OnEnded(key, std::move(report));
  }

 private:
  const std::string program_;
  exec::Engine* engine_ = nullptr;
  Agent* agent_ = nullptr;
};

}  // namespace penstock::worker
