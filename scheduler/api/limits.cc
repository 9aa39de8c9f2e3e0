#include "scheduler/api/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/validate.h"

namespace penstock::api {
namespace {

constexpr size_t kMaxDescriptionBytes = 4 << 10;

template <typename Item, typename Add>
auto AnswerAll(const Done& done, Add add) {
  return [done, add](const absl::StatusOr<std::vector<Item>>& items) {
    if (!items.ok()) return done(items.status());
    for (const Item& item : *items) add(item);
    done(absl::OkStatus());
  };
}

}  // namespace

template <typename Request, typename Response>
void LimitHandlers::OnOwner(const Caller& caller, const char* method, const Request& request,
                            Response* response,
                            std::function<void(const store::NamespaceRecord&, const Done&)> look,
                            Done done, std::function<bool()> repeatable) {
  Checker check;
  check.Text("namespace", request.namespace_(), kMaxNameBytes);
  if (!check.ok()) return done(check.Result());
  const auto ns = s_.namespaces.Find(NamespaceOf(request.namespace_()));
  if (!ns.ok()) return done(ns.status());
  OwnerCall call = MakeOwnerCall(ns->domain, method, request, response,
                                 [ns = *ns, look = std::move(look)](
                                     const engine::Place&, const Done& then) { look(ns, then); });
  call.repeatable = std::move(repeatable);
  s_.router.Run(caller, std::move(call), std::move(done));
}

// ---- Pools ----

void LimitHandlers::ListPools(const Caller& caller, const v1::ListPoolsRequest& request,
                              v1::ListPoolsResponse* response, Done done) {
  const auto look = [this, response](const store::NamespaceRecord& ns, const Done& then) {
    s_.views.Pools(ns.domain, AnswerAll<core::PoolView>(
                                  then, [response, name = ns.name](const core::PoolView& pool) {
                                    *response->add_pools() = ToProto(pool, name);
                                  }));
  };
  OnOwner(caller, "ListPools", request, response, look, std::move(done));
}

void LimitHandlers::SetPool(const Caller& caller, const v1::SetPoolRequest& request,
                            v1::Pool* response, Done done) {
  Checker check;
  check.NewName("name", request.name());
  check.Range("slots", request.slots(), 0, kMaxPoolSlots);
  check.Text("description", request.description(), kMaxDescriptionBytes);
  if (!check.ok()) return done(check.Result());
  core::SetPool command{{request.name(), request.slots(), request.description()}};
  const auto set = [this, command, actor = caller.actor, response](const store::NamespaceRecord& ns,
                                                                   const Done& then) {
    Execute(s_, ns.domain, command, actor,
            [this, ns, name = command.pool.name, response, then](const core::Reply& reply) {
              if (!reply.status.ok()) return then(reply.status);
              AnswerPool(ns, name, response, then);
            });
  };
  OnOwner(caller, "SetPool", request, response, set, std::move(done));
}

void LimitHandlers::AnswerPool(const store::NamespaceRecord& ns, const std::string& name,
                               v1::Pool* response, const Done& done) {
  s_.views.Pools(ns.domain, AnswerAll<core::PoolView>(done, [ns_name = ns.name, name,
                                                             response](const core::PoolView& pool) {
                   if (pool.row.name == name) *response = ToProto(pool, ns_name);
                 }));
}

void LimitHandlers::DeletePool(const Caller& caller, const v1::DeletePoolRequest& request,
                               v1::DeletePoolResponse* response, Done done) {
  Checker check;
  check.Name("name", request.name());
  if (!check.ok()) return done(check.Result());
  const auto remove = [this, name = request.name(), actor = caller.actor](
                          const store::NamespaceRecord& ns, const Done& then) {
    Execute(s_, ns.domain, core::DeletePool{name}, actor,
            [then](const core::Reply& reply) { then(reply.status); });
  };
  // A second try would say that there is no such pool.
  OnOwner(caller, "DeletePool", request, response, remove, std::move(done), [] { return false; });
}

// ---- Queues, workers ----

void LimitHandlers::ListQueues(const Caller& caller, const v1::ListQueuesRequest& request,
                               v1::ListQueuesResponse* response, Done done) {
  const auto look = [this, response](const store::NamespaceRecord& ns, const Done& then) {
    s_.views.Queues(ns.domain,
                    AnswerAll<core::QueueView>(then, [response](const core::QueueView& queue) {
                      *response->add_queues() = ToProto(queue);
                    }));
  };
  OnOwner(caller, "ListQueues", request, response, look, std::move(done));
}

void LimitHandlers::ListWorkers(const Caller& caller, const v1::ListWorkersRequest& request,
                                v1::ListWorkersResponse* response, Done done) {
  const auto look = [this, response](const store::NamespaceRecord& ns, const Done& then) {
    s_.views.Sessions(
        ns.domain, AnswerAll<core::SessionView>(then, [response](const core::SessionView& session) {
          *response->add_workers() = ToProto(session);
        }));
  };
  OnOwner(caller, "ListWorkers", request, response, look, std::move(done));
}

// The answers of all domains. A worker serves several domains, so the most sessions that one of
// them told is the number of sessions, not the sum.
struct LimitHandlers::Draining {
  Mutex mu;
  size_t open ABSL_GUARDED_BY(mu) = 0;
  int32_t sessions ABSL_GUARDED_BY(mu) = 0;
  absl::Status failure ABSL_GUARDED_BY(mu);
};

void LimitHandlers::DrainWorker(const Caller& caller, const v1::DrainWorkerRequest& request,
                                v1::DrainWorkerResponse* response, Done done) {
  Checker check;
  check.Name("name", request.name());
  if (!check.ok()) return done(check.Result());
  if (caller.forwarded) return DrainIn(caller, caller.domain, request, response, done);
  const std::vector<store::DomainRow> domains = s_.engine.View().domains;
  auto all = std::make_shared<Draining>();  // shared by the answers
  {
    MutexLock lock(&all->mu);
    all->open = domains.size() + 1;
  }
  const auto finish = [all, response, name = request.name(), done](int32_t sessions,
                                                                   const absl::Status& status) {
    absl::Status result;
    {
      MutexLock lock(&all->mu);
      all->sessions = std::max(all->sessions, sessions);
      if (!status.ok()) all->failure = status;
      if (--all->open > 0) return;
      response->set_sessions(all->sessions);
      result = all->failure;
    }
    if (result.ok() && response->sessions() == 0) {
      result =
          MakeStatus(absl::StatusCode::kNotFound, fmt::format("no worker is called \"{}\"", name));
    }
    done(result);
  };
  for (const store::DomainRow& domain : domains) {
    auto part = std::make_shared<v1::DrainWorkerResponse>();
    DrainIn(caller, domain.id, request, part.get(),
            [part, finish](const absl::Status& status) { finish(part->sessions(), status); });
  }
  finish(0, absl::OkStatus());
}

void LimitHandlers::DrainIn(const Caller& caller, DomainId domain,
                            const v1::DrainWorkerRequest& request,
                            v1::DrainWorkerResponse* response, const Done& done) {
  s_.router.Run(caller,
                MakeOwnerCall(domain, "DrainWorker", request, response,
                              [this, domain, name = request.name(), actor = caller.actor, response](
                                  const engine::Place&, const Done& then) {
                                Execute(s_, domain, core::DrainWorker{name}, actor,
                                        [response, then](const core::Reply& reply) {
                                          response->set_sessions(reply.sessions);
                                          then(reply.status);
                                        });
                              }),
                done);
}

}  // namespace penstock::api
