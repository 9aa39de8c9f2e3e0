#include "scheduler/api/dags.h"

#include <utility>

#include "common/base/status_macros.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/cursor.h"
#include "scheduler/api/validate.h"

namespace penstock::api {
namespace {

absl::Status CheckNames(const std::string& ns, const std::string& name) {
  Checker check;
  check.Text("namespace", ns, kMaxNameBytes);
  check.Name("name", name);
  return check.Result();
}

void SendProblems(const Caller& caller, const v1::ProblemList& problems) {
  if (caller.add_trailer && problems.problems_size() > 0) {
    caller.add_trailer("penstock-problems-bin", problems.SerializeAsString());
  }
}

// nullopt = no such DAG.
absl::StatusOr<std::optional<store::DagRecord>> FindIfAny(store::Catalog& catalog, NamespaceId ns,
                                                          const std::string& name) {
  absl::StatusOr<store::DagRecord> dag = catalog.FindDag(ns, name);
  if (absl::IsNotFound(dag.status())) return std::optional<store::DagRecord>();
  if (!dag.ok()) return dag.status();
  return std::optional(*std::move(dag));
}

}  // namespace

void DagHandlers::Apply(const Caller& caller, const v1::ApplyDagRequest& request,
                        v1::ApplyDagResponse* response, Done done) {
  Checker check;
  check.Text("namespace", request.namespace_(), kMaxNameBytes);
  if (request.yaml().empty()) check.Problem("yaml", "the DAG file must be given");
  if (!check.ok()) return done(check.Result());
  const DagFileCheck file = CheckDagFile(request.yaml(), request.bundle());
  SendProblems(caller, file.problems);
  if (!file.status.ok()) return done(file.status);
  const auto ns = s_.namespaces.Find(NamespaceOf(request.namespace_()));
  if (!ns.ok()) return done(ns.status());
  if (request.dry_run()) return done(DryRun(*ns, *file.dag, response));
  s_.router.Run(caller,
                MakeOwnerCall(ns->domain, "ApplyDag", request, response,
                              [this, ns = *ns, actor = caller.actor, &request, dag = file.dag,
                               response](const engine::Place&, const Done& then) {
                                const Key key(ns.id, dag->topology->dag().dag);
                                if (!BeginApply(key)) {
                                  return then(absl::UnavailableError(
                                      "another version of this DAG is being applied"));
                                }
                                ApplyHere(ns, actor, request.bundle(), dag, response,
                                          [this, key, then](const absl::Status& status) {
                                            EndApply(key);
                                            then(status);
                                          });
                              }),
                std::move(done));
}

bool DagHandlers::BeginApply(const Key& key) {
  MutexLock lock(&mu_);
  return applying_.insert(key).second;
}

void DagHandlers::EndApply(const Key& key) {
  MutexLock lock(&mu_);
  applying_.erase(key);
}

absl::Status DagHandlers::DryRun(const store::NamespaceRecord& ns, const CheckedDag& dag,
                                 v1::ApplyDagResponse* response) {
  const dag::DagSpec& spec = dag.topology->dag();
  PENSTOCK_ASSIGN_OR_RETURN(const auto existing, FindIfAny(s_.catalog, ns.id, spec.dag));
  response->set_created(!existing.has_value());
  response->set_changed(!existing.has_value() || existing->version_hash != dag.hash);
  v1::Dag* out = response->mutable_dag();
  if (existing.has_value()) *out = ToProto(*existing, ns.name);
  out->set_namespace_(ns.name);
  out->set_name(spec.dag);
  out->set_description(spec.description);
  out->set_version_hash(dag.hash);
  out->set_task_count(static_cast<int32_t>(dag.topology->task_count()));
  out->set_max_active_runs(spec.max_active_runs);
  return absl::OkStatus();
}

absl::StatusOr<core::DagRow> DagHandlers::StoreVersion(const store::NamespaceRecord& ns,
                                                       const std::string& bundle,
                                                       const CheckedDag& dag,
                                                       const store::DagRecord* existing) {
  const dag::DagSpec& spec = dag.topology->dag();
  if (!bundle.empty()) {
    PENSTOCK_RETURN_IF_ERROR(s_.catalog.PutBundle(dag.bundle_hash, bundle));
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const store::VersionRecord version,
      s_.catalog.PutVersion(ns.id, spec.dag, dag.hash, dag.canonical_json, dag.bundle_hash,
                            static_cast<int32_t>(dag.topology->task_count())));
  core::DagRow row;
  if (existing != nullptr) {
    row = existing->row;
  } else {
    PENSTOCK_ASSIGN_OR_RETURN(row.id, s_.catalog.NewDagId());
  }
  row.ns = ns.id;
  row.name = spec.dag;
  row.version = version.id;
  row.max_active_runs = spec.max_active_runs;
  return row;
}

void DagHandlers::ApplyHere(const store::NamespaceRecord& ns, const std::string& actor,
                            const std::string& bundle, const Checked& dag,
                            v1::ApplyDagResponse* response, const Done& done) {
  const std::string& name = dag->topology->dag().dag;
  const auto existing = FindIfAny(s_.catalog, ns.id, name);
  if (!existing.ok()) return done(existing.status());
  const store::DagRecord* before = existing->has_value() ? &**existing : nullptr;
  if (before != nullptr && before->version_hash == dag->hash) {
    *response->mutable_dag() = ToProto(*before, ns.name);
    return done(absl::OkStatus());
  }
  absl::StatusOr<core::DagRow> row = StoreVersion(ns, bundle, *dag, before);
  if (!row.ok()) return done(row.status());
  // The owner may have missed the namespace's birth; telling it again costs nothing.
  if (before == nullptr) {
    Execute(s_, ns.domain, core::AddNamespace{{ns.id, ns.name, ns.weight}}, actor,
            [](const core::Reply&) {});
  }
  Execute(s_, ns.domain, core::ApplyDag{*std::move(row), dag->topology}, actor,
          [this, ns, name, created = before == nullptr, response, done](const core::Reply& reply) {
            s_.dags.Forget(ns.id, name);
            if (!reply.status.ok()) return done(reply.status);
            const auto after = FindDag(s_.catalog, ns.id, name);
            if (!after.ok()) return done(after.status());
            *response->mutable_dag() = ToProto(*after, ns.name);
            response->set_created(created);
            response->set_changed(true);
            done(absl::OkStatus());
          });
}

void DagHandlers::Get(const Caller&, const v1::GetDagRequest& request, v1::Dag* response,
                      Done done) {
  done(GetHere(request, response));
}

absl::Status DagHandlers::GetHere(const v1::GetDagRequest& request, v1::Dag* response) {
  PENSTOCK_RETURN_IF_ERROR(CheckNames(request.namespace_(), request.name()));
  PENSTOCK_ASSIGN_OR_RETURN(const auto ns, s_.namespaces.Find(NamespaceOf(request.namespace_())));
  PENSTOCK_ASSIGN_OR_RETURN(const auto dag, FindDag(s_.catalog, ns.id, request.name()));
  PENSTOCK_ASSIGN_OR_RETURN(auto version, s_.catalog.GetVersion(dag.row.version));
  PENSTOCK_ASSIGN_OR_RETURN(const auto known, s_.versions.Get(dag.row.version));
  *response = ToProto(dag, ns.name);
  response->set_description(known->topology->dag().description);
  response->set_canonical_json(std::move(version.canonical_json));
  AddTasks(*known->topology, response);
  return absl::OkStatus();
}

void DagHandlers::List(const Caller&, const v1::ListDagsRequest& request,
                       v1::ListDagsResponse* response, Done done) {
  done(ListHere(request, response));
}

absl::Status DagHandlers::ListHere(const v1::ListDagsRequest& request,
                                   v1::ListDagsResponse* response) {
  Checker check;
  check.Text("namespace", request.namespace_(), kMaxNameBytes);
  check.Text("name_prefix", request.name_prefix(), kMaxNameBytes);
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  PENSTOCK_ASSIGN_OR_RETURN(const std::string after, ReadCursor("dags", request.cursor()));
  PENSTOCK_ASSIGN_OR_RETURN(const auto ns, s_.namespaces.Find(NamespaceOf(request.namespace_())));
  const int size = PageSize(request.page_size());
  PENSTOCK_ASSIGN_OR_RETURN(const auto dags,
                            s_.catalog.ListDags(ns.id, request.name_prefix(), after, size));
  for (const store::DagRecord& dag : dags) *response->add_dags() = ToProto(dag, ns.name);
  if (static_cast<int>(dags.size()) == size) {
    response->set_next_cursor(MakeCursor("dags", dags.back().row.name));
  }
  return absl::OkStatus();
}

void DagHandlers::Change(const store::NamespaceRecord& ns, const std::string& name,
                         const std::string& actor,
                         const std::function<core::CommandBody(DagId)>& command, v1::Dag* response,
                         const Done& done) {
  const auto dag = FindDag(s_.catalog, ns.id, name);
  if (!dag.ok()) return done(dag.status());
  Execute(s_, ns.domain, command(dag->row.id), actor,
          [this, ns, name, response, done](const core::Reply& reply) {
            s_.dags.Forget(ns.id, name);
            if (!reply.status.ok() || response == nullptr) return done(reply.status);
            const auto after = FindDag(s_.catalog, ns.id, name);
            if (!after.ok()) return done(after.status());
            *response = ToProto(*after, ns.name);
            done(absl::OkStatus());
          });
}

void DagHandlers::SetPaused(const Caller& caller, const v1::SetDagPausedRequest& request,
                            v1::Dag* response, Done done) {
  const absl::Status names = CheckNames(request.namespace_(), request.name());
  if (!names.ok()) return done(names);
  const auto ns = s_.namespaces.Find(NamespaceOf(request.namespace_()));
  if (!ns.ok()) return done(ns.status());
  const auto command = [paused = request.paused()](DagId id) -> core::CommandBody {
    return core::SetDagPaused{id, paused};
  };
  s_.router.Run(caller,
                MakeOwnerCall(ns->domain, "SetDagPaused", request, response,
                              [this, ns = *ns, actor = caller.actor, &request, command, response](
                                  const engine::Place&, const Done& then) {
                                Change(ns, request.name(), actor, command, response, then);
                              }),
                std::move(done));
}

void DagHandlers::Delete(const Caller& caller, const v1::DeleteDagRequest& request,
                         v1::DeleteDagResponse* response, Done done) {
  const absl::Status names = CheckNames(request.namespace_(), request.name());
  if (!names.ok()) return done(names);
  const auto ns = s_.namespaces.Find(NamespaceOf(request.namespace_()));
  if (!ns.ok()) return done(ns.status());
  const auto command = [](DagId id) -> core::CommandBody { return core::DeleteDag{id}; };
  OwnerCall call = MakeOwnerCall(ns->domain, "DeleteDag", request, response,
                                 [this, ns = *ns, actor = caller.actor, &request, command](
                                     const engine::Place&, const Done& then) {
                                   Change(ns, request.name(), actor, command, nullptr, then);
                                 });
  // A second try would say that there is no such DAG.
  call.repeatable = [] { return false; };
  s_.router.Run(caller, std::move(call), std::move(done));
}

}  // namespace penstock::api
