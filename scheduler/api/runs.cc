#include "scheduler/api/runs.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/cursor.h"
#include "scheduler/api/validate.h"
#include "scheduler/engine/errors.h"

namespace penstock::api {
namespace {

constexpr int kRowsPerRead = 5000;
// How long GetRun waits for an owner before it answers with the rows alone.
constexpr absl::Duration kPatience = absl::Seconds(1);

absl::Status CheckRef(const std::string& ns, const v1::RunRef& ref) {
  Checker check;
  check.Text("namespace", ns, kMaxNameBytes);
  check.Run(ref);
  return check.Result();
}

absl::StatusOr<store::RunFilter> ToFilter(const v1::ListRunsRequest& request) {
  Checker check;
  check.Text("namespace", request.namespace_(), kMaxNameBytes);
  check.Text("dag", request.dag(), kMaxNameBytes);
  store::RunFilter filter;
  for (int state : request.states()) {
    const auto known = FromProto(static_cast<v1::RunState>(state));
    if (known.has_value()) {
      filter.states.push_back(*known);
    } else {
      check.Problem("states", "names a state that does not exist");
    }
  }
  PENSTOCK_RETURN_IF_ERROR(check.Result());
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t before, ReadNumberCursor("runs", request.cursor()));
  if (!request.dag().empty()) filter.dag = request.dag();
  filter.before = RunId(before);
  filter.limit = PageSize(request.page_size());
  return filter;
}

// What a second try found by a key of the scheduler's own was made by the first.
void HideForwardKeys(const v1::CreateRunsRequest& request, v1::CreateRunsResponse* response) {
  for (int i = 0; i < request.runs_size(); ++i) {
    if (HasForwardKey(request.runs(i))) response->mutable_runs(i)->set_already_existed(false);
  }
}

}  // namespace

// ---- Create ----

struct RunHandlers::Creation {
  store::NamespaceRecord ns;
  std::vector<PreparedRun> runs;  // in the order of the request
};

void RunHandlers::Create(const Caller& caller, const v1::CreateRunRequest& request,
                         v1::Run* response, Done done) {
  auto batch = std::make_shared<v1::CreateRunsRequest>();
  *batch->add_runs() = request;
  auto created = std::make_shared<v1::CreateRunsResponse>();
  CreateAll(caller, std::move(batch), created.get(),
            [created, response, done = std::move(done)](const absl::Status& status) {
              if (status.ok()) *response = std::move(*created->mutable_runs(0));
              done(status);
            });
}

void RunHandlers::CreateMany(const Caller& caller, const v1::CreateRunsRequest& request,
                             v1::CreateRunsResponse* response, Done done) {
  CreateAll(caller, std::make_shared<v1::CreateRunsRequest>(request), response, std::move(done));
}

void RunHandlers::CreateAll(const Caller& caller, Batch batch, v1::CreateRunsResponse* response,
                            Done done) {
  const absl::Status check = CheckNewRuns(*batch, caller.forwarded);
  if (!check.ok()) return done(check);
  auto hold = waiting_.TryHold(batch->runs_size());
  if (hold == nullptr) {
    return done(absl::ResourceExhaustedError("too many new runs wait to be stored: try again"));
  }
  const auto ns = s_.namespaces.Find(NamespaceOf(batch->runs(0).namespace_()));
  if (!ns.ok()) return done(ns.status());
  OwnerCall call;
  call.domain = ns->domain;
  call.method = "CreateRuns";
  call.local = [this, ns = *ns, actor = caller.actor, batch, response](
                   const engine::Place& place, bool repeated, const Done& then) {
    response->Clear();
    CreateHere(ns, place.epoch, *batch, repeated, actor, response, then);
  };
  call.repeatable = [batch] { return AllHaveKeys(*batch); };
  call.request = [batch] {
    AddForwardKeys(batch.get());
    return batch->SerializeAsString();
  };
  call.take = [batch, response](const std::string& bytes) {
    return response->ParseFromString(bytes) && response->runs_size() == batch->runs_size();
  };
  s_.router.Run(caller, std::move(call),
                [hold = std::move(hold), batch, response,
                 done = std::move(done)](const absl::Status& status) {
                  if (status.ok()) HideForwardKeys(*batch, response);
                  done(status);
                });
}

absl::StatusOr<std::shared_ptr<RunHandlers::Creation>> RunHandlers::Prepare(
    const store::NamespaceRecord& ns, Epoch epoch, const v1::CreateRunsRequest& batch,
    bool repeated) {
  auto creation = std::make_shared<Creation>();
  creation->ns = ns;
  std::vector<RunRequest> requests;
  for (const v1::CreateRunRequest& request : batch.runs()) {
    PENSTOCK_ASSIGN_OR_RETURN(const auto dag, s_.dags.Find(ns.id, request.dag(), epoch));
    requests.push_back({dag, &request});
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      creation->runs, PrepareRuns(s_.catalog, s_.versions, requests, repeated, s_.clock.Steady()));
  return creation;
}

void RunHandlers::CreateHere(const store::NamespaceRecord& ns, Epoch epoch,
                             const v1::CreateRunsRequest& batch, bool repeated,
                             const std::string& actor, v1::CreateRunsResponse* response,
                             const Done& done) {
  auto creation = Prepare(ns, epoch, batch, repeated);
  if (!creation.ok()) return done(creation.status());
  core::CreateRuns command;
  for (PreparedRun& prepared : (*creation)->runs) {
    if (!prepared.existing.has_value()) command.runs.push_back(std::move(prepared.run));
  }
  if (command.runs.empty()) return done(Answer(**creation, {}, response));
  Execute(s_, ns.domain, std::move(command), actor,
          [this, creation = *creation, response, done](const core::Reply& reply) {
            // The look-up was older than the owner's load: the router asks again, with a new one.
            if (absl::IsAborted(reply.status)) {
              return done(absl::UnavailableError(reply.status.message()));
            }
            if (!reply.status.ok()) return done(reply.status);
            const absl::Status answered = Answer(*creation, reply, response);
            // The runs are there.
            if (absl::IsUnavailable(answered)) return done(engine::InDoubt(Message(answered)));
            done(answered);
          });
}

absl::Status RunHandlers::Answer(const Creation& creation, const core::Reply& reply,
                                 v1::CreateRunsResponse* response) {
  size_t next = 0;
  for (const PreparedRun& prepared : creation.runs) {
    if (prepared.existing.has_value()) {
      v1::Run* run = response->add_runs();
      *run = ToProto(*prepared.existing, creation.ns.name);
      run->set_already_existed(true);
      continue;
    }
    if (next >= reply.runs.size())
      return absl::InternalError("the owner answered for too few runs");
    const bool existed = next < reply.existed.size() && reply.existed[next];
    PENSTOCK_ASSIGN_OR_RETURN(*response->add_runs(),
                              ToRun(creation, prepared, reply.runs[next], existed));
    ++next;
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Run> RunHandlers::ToRun(const Creation& creation, const PreparedRun& prepared,
                                           const core::RunRow& row, bool existed) {
  v1::Run run;
  if (row.version == prepared.version->record.id) {
    run = ToProto(row, creation.ns.name, prepared.dag, prepared.version->record.number);
  } else {  // made from another version, or ended already so that only its rows tell
    PENSTOCK_ASSIGN_OR_RETURN(const store::RunRecord record, s_.catalog.GetRun(row.id));
    run = ToProto(record, creation.ns.name);
  }
  run.set_already_existed(existed);
  return run;
}

// ---- Look ----

void RunHandlers::Get(const Caller& caller, const v1::GetRunRequest& request, v1::Run* response,
                      Done done) {
  const absl::Status check = CheckRef(request.namespace_(), request.run());
  if (!check.ok()) return done(check);
  const auto ns = s_.namespaces.Find(NamespaceOf(request.namespace_()));
  if (!ns.ok()) return done(ns.status());
  const auto run = FindRun(s_.catalog, *ns, request.run());
  if (!run.ok()) return done(run.status());
  *response = ToProto(*run, ns->name);
  if (core::IsTerminal(run->row.state)) return done(absl::OkStatus());
  Caller patient = caller;
  patient.deadline = std::min(caller.deadline, s_.clock.Steady() + kPatience);
  s_.router.Run(
      patient,
      MakeOwnerCall(ns->domain, "GetRun", request, response,
                    [this, ns = *ns, run = *run, response](const engine::Place&, const Done& then) {
                      GetLive(ns, run, response, then);
                    }),
      [ns = *ns, run = *run, forwarded = caller.forwarded, response,
       done = std::move(done)](const absl::Status& status) {
        if (forwarded || status.ok()) return done(status);
        *response = ToProto(run, ns.name);
        done(absl::OkStatus());
      });
}

void RunHandlers::GetLive(const store::NamespaceRecord& ns, const store::RunRecord& run,
                          v1::Run* response, const Done& done) {
  *response = ToProto(run, ns.name);
  s_.views.Explain(ns.domain, {run.row.id, 0, -1},
                   [this, ns, id = run.row.id, response,
                    done](const absl::StatusOr<std::optional<core::Explanation>>& explanation) {
                     if (!explanation.ok()) return done(explanation.status());
                     if (!explanation->has_value()) {  // it has ended in between
                       const auto ended = s_.catalog.GetRun(id);
                       if (ended.ok()) *response = ToProto(*ended, ns.name);
                       return done(ended.status());
                     }
                     const bool queued = response->state() == v1::RUN_STATE_QUEUED;
                     if (queued && response->reason().empty()) {
                       response->set_reason((*explanation)->sentence);
                     }
                     done(absl::OkStatus());
                   });
}

void RunHandlers::List(const Caller&, const v1::ListRunsRequest& request,
                       v1::ListRunsResponse* response, Done done) {
  done(ListHere(request, response));
}

absl::Status RunHandlers::ListHere(const v1::ListRunsRequest& request,
                                   v1::ListRunsResponse* response) {
  PENSTOCK_ASSIGN_OR_RETURN(const store::RunFilter filter, ToFilter(request));
  PENSTOCK_ASSIGN_OR_RETURN(const auto ns, s_.namespaces.Find(NamespaceOf(request.namespace_())));
  PENSTOCK_ASSIGN_OR_RETURN(const auto runs, s_.catalog.ListRuns(ns.id, filter));
  for (const store::RunRecord& run : runs) *response->add_runs() = ToProto(run, ns.name);
  if (static_cast<int>(runs.size()) == filter.limit) {
    response->set_next_cursor(MakeCursor("runs", std::to_string(runs.back().row.id.value())));
  }
  return absl::OkStatus();
}

// ---- Cancel, retry ----

void RunHandlers::Cancel(const Caller& caller, const v1::CancelRunRequest& request,
                         v1::Run* response, Done done) {
  const absl::Status check = CheckRef(request.namespace_(), request.run());
  if (!check.ok()) return done(check);
  const auto ns = s_.namespaces.Find(NamespaceOf(request.namespace_()));
  if (!ns.ok()) return done(ns.status());
  s_.router.Run(caller,
                MakeOwnerCall(ns->domain, "CancelRun", request, response,
                              [this, ns = *ns, &request, actor = caller.actor, response](
                                  const engine::Place&, const Done& then) {
                                CancelHere(ns, request.run(), actor, response, then);
                              }),
                std::move(done));
}

void RunHandlers::CancelHere(const store::NamespaceRecord& ns, const v1::RunRef& ref,
                             const std::string& actor, v1::Run* response, const Done& done) {
  const auto run = FindRun(s_.catalog, ns, ref);
  if (!run.ok()) return done(run.status());
  *response = ToProto(*run, ns.name);
  if (run->row.state == core::RunState::kCancelled) return done(absl::OkStatus());
  Execute(s_, ns.domain, core::CancelRun{run->row.id}, actor,
          [ns, run = *run, response, done](const core::Reply& reply) {
            if (reply.status.ok() && !reply.runs.empty()) {
              *response = ToProto(reply.runs[0], ns.name, run.dag_name, run.version_number);
            }
            done(reply.status);
          });
}

void RunHandlers::Retry(const Caller& caller, const v1::RetryRunRequest& request,
                        v1::RetryRunResponse* response, Done done) {
  const absl::Status check = CheckRef(request.namespace_(), request.run());
  if (!check.ok()) return done(check);
  const auto ns = s_.namespaces.Find(NamespaceOf(request.namespace_()));
  if (!ns.ok()) return done(ns.status());
  OwnerCall call =
      MakeOwnerCall(ns->domain, "RetryRun", request, response,
                    [this, ns = *ns, &request, actor = caller.actor, response](const engine::Place&,
                                                                               const Done& then) {
                      RetryHere(ns, request.run(), actor, response->mutable_run(), then);
                    });
  // It might clear what has failed since the first try.
  call.repeatable = [] { return false; };
  s_.router.Run(caller, std::move(call), std::move(done));
}

void RunHandlers::RetryHere(const store::NamespaceRecord& ns, const v1::RunRef& ref,
                            const std::string& actor, v1::Run* response, const Done& done) {
  const auto run = FindRun(s_.catalog, ns, ref);
  if (!run.ok()) return done(run.status());
  core::RetryRun command;
  command.run = run->row.id;
  if (core::IsTerminal(run->row.state)) {
    auto loaded = LoadEnded(run->row);
    if (!loaded.ok()) return done(loaded.status());
    command.loaded = *std::move(loaded);
  }
  Execute(s_, ns.domain, std::move(command), actor,
          [ns, run = *run, response, done](const core::Reply& reply) {
            // It has ended since its rows were read, and nothing was decided: the router looks and
            // asks again.
            if (absl::IsAborted(reply.status)) {
              return done(absl::UnavailableError(reply.status.message()));
            }
            *response = ToProto(reply.runs.empty() ? run.row : reply.runs[0], ns.name, run.dag_name,
                                run.version_number);
            done(reply.status);
          });
}

absl::StatusOr<std::shared_ptr<const core::DomainFacts>> RunHandlers::LoadEnded(
    const core::RunRow& run) {
  auto facts = std::make_shared<core::DomainFacts>();
  facts->runs.push_back(run);
  std::optional<std::pair<int32_t, int32_t>> after;
  while (true) {
    PENSTOCK_ASSIGN_OR_RETURN(const auto rows, s_.catalog.ListTasks(run.id, after, kRowsPerRead));
    for (const store::TaskRecord& task : rows) facts->tasks.push_back(task.row);
    if (static_cast<int>(rows.size()) < kRowsPerRead) break;
    after = {rows.back().row.key.task, rows.back().row.key.map};
  }
  return facts;
}

}  // namespace penstock::api
