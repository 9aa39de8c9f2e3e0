#pragma once
// One worker machine of the simulation: the production WorkerCore as the main process, and a model
// of its guardian, which outlives it.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scheduler/engine/session_hub.h"
#include "scheduler/sim/world.h"
#include "worker/core/worker_core.h"

namespace penstock::sim {

class SimScheduler;

class SimWorker {
 public:
  SimWorker(World& world, int index);

  void Start();     // a new main process with a new guardian
  void KillMain();  // SIGKILL: the guardian kills the attempts and reports the death
  void LoseNode();  // everything is gone, nobody is told
  // Main process, guardian and attempts are killed at once; the next worker on this machine, which
  // Start() is then, finds what they left and speaks for them.
  void KillAllAtOnce();
  // By how much its wall clock is wrong.
  void SetClock(absl::Duration wrong) { clock_wrong_ = wrong; }
  void Pause();  // SIGSTOP of the main process; the guardian goes on
  void Resume();
  // The network to one scheduler stalls: what is sent arrives when it heals.
  void Stall(int scheduler, int64_t until_us) { stalled_until_us_[scheduler] = until_us; }
  // Its kernel resets the connections, also those that it never answered on.
  void SchedulerDied(int scheduler);

  std::vector<SessionId> sessions() const { return core_->sessions(); }
  bool alive() const { return alive_; }
  bool paused() const { return paused_; }

 private:
  class Stream;
  struct Link {
    int scheduler = 0;
    SessionId session;
    int64_t scheduler_life = 0;
    std::shared_ptr<Stream> stream;  // the scheduler's end
    int64_t up_at_us = 0;            // in-order delivery, each way
    int64_t down_at_us = 0;
    bool open = false;
  };
  struct Attempt {
    DomainId domain;
    int64_t number = 0;  // tells this run of it from a later one
  };

  void Run(std::function<void()> fn);
  void Connect(SessionId session, int scheduler);
  void Broken(worker::StreamId id);
  void CloseLink(worker::StreamId id);
  // To the worker / to the scheduler, in order, after the network's delay.
  void Down(worker::StreamId id, std::function<void()> fn);
  void Up(worker::StreamId id, std::function<void(SimScheduler&, SessionId)> fn);
  void Receive(worker::StreamId id, DomainId domain, Epoch epoch, engine::SessionMail mail);
  void Settle(worker::Effects fx);
  void Send(worker::Outgoing out);
  void Launch(const worker::Launch& launch);
  void End(const worker::AttemptKey& key, worker::Report report);
  void KillAttempt(const worker::AttemptKey& key, worker::Cause cause, int64_t after_us);
  void GuardDeadline(DomainId domain, int64_t deadline_us);
  void KillAll();
  void ArmTimer();
  void RenewLater();
  Now now() const;

  World& world_;
  const int index_;
  std::unique_ptr<worker::WorkerCore> core_;
  std::map<worker::StreamId, Link> links_;
  std::map<worker::AttemptKey, Attempt> running_;  // ground truth
  std::map<DomainId, int64_t> deadlines_us_;       // the guardian's
  std::map<int, int64_t> stalled_until_us_;
  std::vector<SessionId> left_;  // on its disk, by lives that nobody reported
  std::vector<std::function<void()>> missed_;
  int64_t life_ = 0;
  int64_t next_stream_ = 1;
  int64_t next_number_ = 1;
  int64_t timer_at_us_ = 0;
  bool alive_ = false;
  bool paused_ = false;
  absl::Duration clock_wrong_;
};

}  // namespace penstock::sim
