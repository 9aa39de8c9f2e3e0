#include "scheduler/api/fleet_handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/validate.h"

namespace penstock::api {

void FleetHandlers::ListNamespaces(const Caller&, const v1::ListNamespacesRequest&,
                                   v1::ListNamespacesResponse* response, Done done) {
  const auto namespaces = s_.catalog.ListNamespaces();
  if (!namespaces.ok()) return done(namespaces.status());
  for (const store::NamespaceRecord& ns : *namespaces) {
    *response->add_namespaces() = ToProto(ns);
  }
  done(absl::OkStatus());
}

absl::StatusOr<store::NamespaceRecord> FleetHandlers::Make(
    const Caller& caller, const v1::CreateNamespaceRequest& request) {
  if (caller.forwarded) return s_.namespaces.Find(request.name());  // its sender has made it
  std::optional<std::string> share;
  if (!request.share_domain_with().empty()) {
    share = request.share_domain_with();
    PENSTOCK_RETURN_IF_ERROR(s_.namespaces.Find(*share).status());
  }
  auto made = s_.catalog.CreateNamespace(request.name(), share, std::max(1, request.weight()));
  if (!absl::IsAlreadyExists(made.status())) return made;
  return MakeStatus(absl::StatusCode::kAlreadyExists,
                    fmt::format("namespace \"{}\" exists already", request.name()));
}

void FleetHandlers::CreateNamespace(const Caller& caller, const v1::CreateNamespaceRequest& request,
                                    v1::Namespace* response, Done done) {
  Checker check;
  check.NewName("name", request.name());
  check.Text("share_domain_with", request.share_domain_with(), kMaxNameBytes);
  check.Range("weight", request.weight(), 0, kMaxWeight);
  if (!check.ok()) return done(check.Result());
  const auto ns = Make(caller, request);
  if (!ns.ok()) return done(ns.status());
  // Whoever takes a new domain over reads its namespaces; one that has an owner must be told.
  if (request.share_domain_with().empty()) {
    *response = ToProto(*ns);
    return done(absl::OkStatus());
  }
  Announce(caller, *ns, request, response, done);
}

void FleetHandlers::Announce(const Caller& caller, const store::NamespaceRecord& ns,
                             const v1::CreateNamespaceRequest& request, v1::Namespace* response,
                             const Done& done) {
  s_.router.Run(
      caller,
      MakeOwnerCall(
          ns.domain, "CreateNamespace", request, response,
          [this, ns, actor = caller.actor, response](const engine::Place&, const Done& then) {
            *response = ToProto(ns);
            Execute(s_, ns.domain, core::AddNamespace{{ns.id, ns.name, ns.weight}}, actor,
                    [then](const core::Reply& reply) { then(reply.status); });
          }),
      done);
}

void FleetHandlers::GetCluster(const Caller&, const v1::GetClusterRequest&, v1::Cluster* response,
                               Done done) {
  const store::FleetView fleet = s_.engine.View();
  response->set_version(version_);
  response->set_incarnation(fleet.incarnation.value());
  for (const store::SchedulerRow& row : fleet.schedulers) {
    v1::Scheduler* scheduler = response->add_schedulers();
    scheduler->set_id(row.id.value());
    scheduler->set_name(row.name);
    scheduler->set_address(row.address);
    scheduler->set_alive(row.id == s_.engine.self() || liveness_.IsAlive(row.id));
    if (row.started_us != 0) SetTime(row.started_us, scheduler->mutable_started_at());
  }
  for (const store::DomainRow& domain : fleet.domains) {
    *response->add_domains() = ToProto(domain);
  }
  done(absl::OkStatus());
}

}  // namespace penstock::api
