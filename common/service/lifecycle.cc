#include "common/service/lifecycle.h"

#include <utility>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/service/loop_thread.h"

namespace penstock::service {

Lifecycle::Lifecycle(Options options) : options_(std::move(options)) {}

Lifecycle::~Lifecycle() { Stop(); }

void Lifecycle::Add(LifecycleStep step) { steps_.push_back(std::move(step)); }

absl::Status Lifecycle::Start() {
  while (started_ < steps_.size()) {
    if (absl::Status status = StartOne(steps_[started_]); !status.ok()) {
      const std::string name = steps_[started_].name;
      Stop();
      return Annotate(status, name);
    }
    ++started_;
  }
  return absl::OkStatus();
}

void Lifecycle::Stop() {
  while (started_ > 0) StopOne(steps_[--started_]);
}

absl::Status Lifecycle::StartOne(const LifecycleStep& step) {
  const SteadyTime begin = RealClock().Steady();
  absl::Status status = step.start ? step.start() : absl::OkStatus();
  const auto kind =
      status.ok() ? LifecycleEvent::Kind::kStarted : LifecycleEvent::Kind::kStartFailed;
  Tell({kind, step.name, RealClock().Steady() - begin, status});
  return status;
}

void Lifecycle::StopOne(const LifecycleStep& step) {
  const SteadyTime begin = RealClock().Steady();
  const absl::Duration patience = step.stop_deadline + options_.stuck_margin;
  LoopThread watch;
  watch.Start("stop-watch", [&](StopToken token) {
    if (!token.Wait(patience)) return;
    Tell({LifecycleEvent::Kind::kStuck, step.name, patience, absl::OkStatus()});
  });
  if (step.stop) step.stop(step.stop_deadline);
  watch.Stop();
  Tell({LifecycleEvent::Kind::kStopped, step.name, RealClock().Steady() - begin, absl::OkStatus()});
}

void Lifecycle::Tell(const LifecycleEvent& event) const {
  if (options_.observer) options_.observer(event);
}

}  // namespace penstock::service
