#pragma once
// Learns whether this scheduler alone has lost the database (core/isolation_judge.h decides).
#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "scheduler/core/isolation_judge.h"
#include "scheduler/engine/engine.h"
#include "scheduler/peer/client.h"

namespace penstock::api {

// A scheduler is cut off when its lease has ended because no beat of its own reaches the database,
// while another one's do: it refuses requests at once, so that clients turn to the others. When the
// others fare no better, as in an outage of the database, it is not: requests wait, since asking
// elsewhere would not help; nor is it for a while afterwards, in which others may just have been
// the first to come back. Thread-safe.
class Isolation {
 public:
  // `told` hears true again and again while this scheduler is cut off, and false once it is no
  // longer, in order and from any thread; it must only hand over. May be empty. The references
  // outlive this, and `peers` is shut down before it goes: answers come back here.
  Isolation(engine::Engine& engine, peer::Client& peers, const Clock& clock,
            std::function<void(bool cut_off)> told)
      : engine_(engine), peers_(peers), clock_(clock), told_(std::move(told)) {}

  // Looks at this scheduler and asks the others, whose answers come later. To be called again and
  // again, by one thread. Does not block.
  void Look();
  bool cut_off() const { return cut_off_.load(); }

 private:
  struct Round;
  void Conclude(const std::vector<core::LastBeat>& others) ABSL_LOCKS_EXCLUDED(mu_);

  engine::Engine& engine_;
  peer::Client& peers_;
  const Clock& clock_;
  const std::function<void(bool)> told_;
  std::atomic<bool> asking_{false};
  std::atomic<bool> cut_off_{false};
  Mutex mu_;  // held while others are told
  core::IsolationJudge judge_ ABSL_GUARDED_BY(mu_);
};

// What a scheduler that is cut off answers: UNAVAILABLE.
absl::Status CutOffError();

}  // namespace penstock::api
