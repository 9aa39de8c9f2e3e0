#include "scheduler/api/views.h"

#include <memory>
#include <utility>

namespace penstock::api {

void HandOver(service::Executor& executor, std::function<void()> job) {
  const auto shared = std::make_shared<std::function<void()>>(std::move(job));
  if (!executor.TryPost([shared] { (*shared)(); })) (*shared)();
}

template <typename T>
void EngineViews::Look(DomainId domain, std::function<T(const core::Domain&)> look, Then<T> then) {
  const auto seen = std::make_shared<T>();  // filled in the domain's turn, read after `done`
  engine_.Read(
      domain, [seen, look = std::move(look)](const core::Domain& d) { *seen = look(d); },
      [this, seen, then = std::move(then)](const absl::Status& status) {
        HandOver(answers_, [seen, then, status] {
          if (!status.ok()) return then(status);
          then(std::move(*seen));
        });
      });
}

void EngineViews::Run(DomainId domain, RunId run, Then<std::optional<core::RunView>> then) {
  using View = std::optional<core::RunView>;
  Look<View>(
      domain, [run](const core::Domain& d) { return d.ViewRun(run); }, std::move(then));
}

void EngineViews::Tasks(DomainId domain, std::vector<core::TaskKey> keys,
                        Then<std::vector<std::optional<core::TaskView>>> then) {
  using Views = std::vector<std::optional<core::TaskView>>;
  Look<Views>(
      domain,
      [keys = std::move(keys)](const core::Domain& d) {
        Views views;
        for (const core::TaskKey& key : keys) views.push_back(d.ViewTask(key));
        return views;
      },
      std::move(then));
}

void EngineViews::Explain(DomainId domain, const core::TaskKey& key,
                          Then<std::optional<core::Explanation>> then) {
  using View = std::optional<core::Explanation>;
  Look<View>(
      domain,
      [key](const core::Domain& d) -> View {
        if (!d.HasRun(key.run)) return std::nullopt;
        return d.Explain(key);
      },
      std::move(then));
}

void EngineViews::Pools(DomainId domain, Then<std::vector<core::PoolView>> then) {
  Look<std::vector<core::PoolView>>(
      domain, [](const core::Domain& d) { return d.Pools(); }, std::move(then));
}

void EngineViews::Queues(DomainId domain, Then<std::vector<core::QueueView>> then) {
  Look<std::vector<core::QueueView>>(
      domain, [](const core::Domain& d) { return d.Queues(); }, std::move(then));
}

void EngineViews::Sessions(DomainId domain, Then<std::vector<core::SessionView>> then) {
  Look<std::vector<core::SessionView>>(
      domain, [](const core::Domain& d) { return d.Sessions(); }, std::move(then));
}

}  // namespace penstock::api
