#pragma once
// What the owner of a domain shows, asked for without waiting.
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/service/executor.h"
#include "scheduler/core/views.h"
#include "scheduler/engine/engine.h"

namespace penstock::api {

// Only for domains of this process; UNAVAILABLE (or FAILED_PRECONDITION) when it does not own the
// domain. Callbacks come on a thread that may block. Thread-safe.
class DomainViews {
 public:
  template <typename T>
  using Then = std::function<void(absl::StatusOr<T>)>;

  virtual ~DomainViews() = default;
  // nullopt = the run is not live: its rows tell everything.
  virtual void Run(DomainId domain, RunId run, Then<std::optional<core::RunView>> then) = 0;
  // In the order of the keys; nullopt = nothing known of it.
  virtual void Tasks(DomainId domain, std::vector<core::TaskKey> keys,
                     Then<std::vector<std::optional<core::TaskView>>> then) = 0;
  // nullopt = the run is not live.
  virtual void Explain(DomainId domain, const core::TaskKey& key,
                       Then<std::optional<core::Explanation>> then) = 0;
  virtual void Pools(DomainId domain, Then<std::vector<core::PoolView>> then) = 0;
  virtual void Queues(DomainId domain, Then<std::vector<core::QueueView>> then) = 0;
  virtual void Sessions(DomainId domain, Then<std::vector<core::SessionView>> then) = 0;
};

// On the engine. `answers` runs the callbacks; both outlive this.
class EngineViews final : public DomainViews {
 public:
  EngineViews(engine::Engine& engine, service::Executor& answers)
      : engine_(engine), answers_(answers) {}

  void Run(DomainId domain, RunId run, Then<std::optional<core::RunView>> then) override;
  void Tasks(DomainId domain, std::vector<core::TaskKey> keys,
             Then<std::vector<std::optional<core::TaskView>>> then) override;
  void Explain(DomainId domain, const core::TaskKey& key,
               Then<std::optional<core::Explanation>> then) override;
  void Pools(DomainId domain, Then<std::vector<core::PoolView>> then) override;
  void Queues(DomainId domain, Then<std::vector<core::QueueView>> then) override;
  void Sessions(DomainId domain, Then<std::vector<core::SessionView>> then) override;

 private:
  template <typename T>
  void Look(DomainId domain, std::function<T(const core::Domain&)> look, Then<T> then);

  engine::Engine& engine_;
  service::Executor& answers_;
};

// Posts `job`, or runs it here when the executor has stopped: for answers, which must not get lost.
void HandOver(service::Executor& executor, std::function<void()> job);

}  // namespace penstock::api
