#pragma once
// One scheduler process of the simulation: the production hub, judge and owner protocol, carried by
// virtual time.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "scheduler/core/fleet_judge.h"
#include "scheduler/core/owner_protocol.h"
#include "scheduler/engine/session_hub.h"
#include "scheduler/sim/database.h"
#include "scheduler/sim/world.h"

namespace penstock::sim {

class SimScheduler : public engine::DomainInbox {
 public:
  SimScheduler(World& world, int index);
  ~SimScheduler() override;

  void Start();  // a new process: new id, nothing remembered
  void Kill();   // SIGKILL
  void Pause();  // SIGSTOP
  void Resume();
  void CutDatabase(bool cut) { connection_->cut = cut; }
  // By how much its wall clock is wrong.
  void SetClock(absl::Duration wrong) { clock_wrong_ = wrong; }

  bool alive() const { return alive_; }
  bool paused() const { return paused_; }
  bool owns() const { return alive_ && protocol_ != nullptr && protocol_->owner(); }
  engine::SessionHub& hub() { return *hub_; }
  int64_t life() const { return life_; }

  // A client's command. `done` comes only if this process lives to answer.
  void Execute(core::CommandBody body, std::function<void(const core::Reply&)> done);

  // Runs `fn` in this process: now, or when it wakes up; never if it dies first.
  void Run(std::function<void()> fn);

  // Memory against a reload, when nothing is outstanding.
  void CompareDigest();

  void Post(core::Event event) override;
  void Post(std::vector<core::Event> events) override;
  bool LeaseHolds(SteadyTime now) const override;

 private:
  Now now() const;
  void Beat();
  void Probe();
  void JudgeFleet();
  void Soon();
  void Pass();
  void Carry(const core::OwnerProtocol::TakeOver& r);
  void Carry(const core::OwnerProtocol::Reload& r);
  void Carry(const core::OwnerProtocol::Flush& r);
  void Carry(const core::OwnerProtocol::TakeIds& r);
  void Carry(const core::OwnerProtocol::Release& r);
  void Carry(const core::OwnerProtocol::Note& r);
  bool Poisoned(const core::FlushBatch& batch) const;
  void Act(core::Effects& effects);
  void ActEarly(const core::Effects& effects);
  void SendAssigns(const std::vector<core::Assign>& assigns);
  void Answer(const core::Reply& reply);
  void FollowOwnership();
  void ArmTimer();

  World& world_;
  const int index_;
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Connection>> old_connections_;  // calls in flight point to them
  std::unique_ptr<engine::SessionHub> hub_;
  std::unique_ptr<core::OwnerProtocol> protocol_;
  std::optional<core::FleetJudge> judge_;
  std::map<core::CommandId, std::function<void(const core::Reply&)>> waiting_;
  std::vector<std::function<void()>> missed_;  // while paused
  SchedulerId self_;
  SteadyTime lease_until_;
  int64_t life_ = 0;
  int64_t next_command_ = 1;
  int64_t generation_ = 0;
  Epoch registered_;
  int64_t timer_at_us_ = 0;
  bool alive_ = false;
  bool paused_ = false;
  absl::Duration clock_wrong_;
  bool pass_due_ = false;
  bool pumping_ = false;
};

}  // namespace penstock::sim
