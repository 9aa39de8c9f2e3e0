#include "scheduler/api/new_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/limits.h"
#include "scheduler/api/convert.h"

namespace penstock::api {
namespace {

int64_t LogicalDate(const v1::CreateRunRequest& request) {
  return request.has_logical_date() ? ToMicros(request.logical_date()).value_or(0) : 0;
}

void CheckLogicalDate(const v1::CreateRunRequest& request, const std::string& field,
                      Checker* check) {
  if (!request.has_logical_date()) return;
  const std::optional<int64_t> us = ToMicros(request.logical_date());
  if (!us.has_value()) check->Problem(field, "must lie in the years 1 to 9999");
  if (us == 0) check->Problem(field, "1970-01-01T00:00:00Z cannot be used");
}

// Finds runs of one request that would be the same run.
class Identities {
 public:
  explicit Identities(Checker* check) : check_(*check) {}
  void Add(int index, const v1::CreateRunRequest& run) {
    AddOne(index, "idempotency_key", run.dag(), run.idempotency_key());
    AddOne(index, "run_key", run.dag(), run.run_key());
    if (!run.has_logical_date()) return;
    AddOne(index, "logical_date", run.dag(), fmt::format("{}", LogicalDate(run)));
  }

 private:
  void AddOne(int index, const char* field, const std::string& dag, const std::string& value) {
    if (value.empty()) return;
    const auto [it, added] =
        seen_.try_emplace(std::make_tuple(std::string(field), dag, value), index);
    if (added) return;
    check_.Problem(fmt::format("runs[{}].{}", index, field),
                   fmt::format("the same as in runs[{}]", it->second));
  }
  Checker& check_;
  absl::flat_hash_map<std::tuple<std::string, std::string, std::string>, int> seen_;
};

absl::Status Taken(const store::RunRecord& run, const v1::CreateRunRequest& request) {
  const std::string what =
      !request.run_key().empty() && run.row.key == request.run_key()
          ? fmt::format("run key \"{}\"", request.run_key())
          : fmt::format(
                "logical date {}",
                absl::FormatTime(absl::RFC3339_full, absl::FromUnixMicros(run.row.logical_date_us),
                                 absl::UTCTimeZone()));
  return MakeStatus(absl::StatusCode::kAlreadyExists,
                    fmt::format("DAG {} already has a run with {}: run {} ({})", request.dag(),
                                what, run.row.id.value(), core::ToString(run.row.state)));
}

// All but what the look-up tells.
absl::StatusOr<PreparedRun> Fill(VersionCache& versions, const RunRequest& wanted) {
  PreparedRun prepared;
  prepared.dag = wanted.request->dag();
  PENSTOCK_ASSIGN_OR_RETURN(prepared.version, versions.Get(wanted.dag.row.version));
  core::NewRun& run = prepared.run;
  run.dag = wanted.dag.row.id;
  run.key = wanted.request->run_key();
  run.idempotency_key = wanted.request->idempotency_key();
  run.logical_date_us = LogicalDate(*wanted.request);
  run.note = wanted.request->note();
  return prepared;
}

// An existing run must be the one that the idempotency key names; a new one needs its parameters.
absl::Status Finish(const v1::CreateRunRequest& request, PreparedRun* prepared) {
  core::NewRun& run = prepared->run;
  if (prepared->existing.has_value()) {
    const bool ours = !run.idempotency_key.empty() &&
                      prepared->existing->row.idempotency_key == run.idempotency_key;
    return ours ? absl::OkStatus() : Taken(*prepared->existing, request);
  }
  PENSTOCK_ASSIGN_OR_RETURN(run.params_json, dag::ResolveParams(prepared->version->topology->dag(),
                                                                request.params_json()));
  return absl::OkStatus();
}

bool MayExist(const v1::CreateRunRequest& request, bool repeated) {
  if (!request.run_key().empty() || request.has_logical_date()) return true;
  return !request.idempotency_key().empty() && (repeated || !HasForwardKey(request));
}

}  // namespace

void CheckNewRun(const v1::CreateRunRequest& request, std::string_view prefix, bool forwarded,
                 Checker* check) {
  const auto field = [prefix](const char* name) { return fmt::format("{}{}", prefix, name); };
  check->Text(field("namespace"), request.namespace_(), kMaxNameBytes);
  check->Name(field("dag"), request.dag());
  check->Text(field("params_json"), request.params_json(), dag::Limits().max_params_json_bytes);
  check->Text(field("run_key"), request.run_key(), kMaxKeyBytes);
  check->Text(field("idempotency_key"), request.idempotency_key(), kMaxKeyBytes);
  check->Text(field("note"), request.note(), kMaxNoteBytes);
  CheckLogicalDate(request, field("logical_date"), check);
  if (RunIdOfKey(request.run_key()).has_value()) {
    check->Problem(field("run_key"), "keys of the form run-<number> are made by Penstock alone");
  }
  if (!forwarded && HasForwardKey(request)) {
    check->Problem(field("idempotency_key"),
                   fmt::format("must not begin with \"{}\"", kForwardKeyPrefix));
  }
}

absl::Status CheckNewRuns(const v1::CreateRunsRequest& request, bool forwarded) {
  Checker check;
  check.Range("runs: number of runs", request.runs_size(), 1, kMaxRunsPerRequest);
  if (!check.ok()) return check.Result();
  Identities identities(&check);
  for (int i = 0; i < request.runs_size(); ++i) {
    const v1::CreateRunRequest& run = request.runs(i);
    const std::string prefix = request.runs_size() == 1 ? "" : fmt::format("runs[{}].", i);
    CheckNewRun(run, prefix, forwarded, &check);
    identities.Add(i, run);
    if (NamespaceOf(run.namespace_()) != NamespaceOf(request.runs(0).namespace_())) {
      check.Problem(prefix + "namespace", "all runs of a request must be of one namespace");
    }
  }
  return check.Result();
}

void AddForwardKeys(v1::CreateRunsRequest* request) {
  for (v1::CreateRunRequest& run : *request->mutable_runs()) {
    if (!run.idempotency_key().empty()) continue;
    run.set_idempotency_key(fmt::format("{}{:x}", kForwardKeyPrefix, RandomId()));
  }
}

bool AllHaveKeys(const v1::CreateRunsRequest& request) {
  return std::all_of(
      request.runs().begin(), request.runs().end(),
      [](const v1::CreateRunRequest& run) { return !run.idempotency_key().empty(); });
}

bool HasForwardKey(const v1::CreateRunRequest& request) {
  return request.idempotency_key().compare(0, kForwardKeyPrefix.size(), kForwardKeyPrefix) == 0;
}

absl::StatusOr<std::vector<PreparedRun>> PrepareRuns(store::Catalog& catalog,
                                                     VersionCache& versions,
                                                     const std::vector<RunRequest>& requests,
                                                     bool repeated, SteadyTime now) {
  std::vector<PreparedRun> prepared;
  std::vector<size_t> asked;
  std::vector<store::RunIdentity> identities;
  for (const RunRequest& wanted : requests) {
    PENSTOCK_ASSIGN_OR_RETURN(PreparedRun one, Fill(versions, wanted));
    one.run.looked_up = now;
    if (MayExist(*wanted.request, repeated)) {
      asked.push_back(prepared.size());
      identities.push_back(
          {one.run.dag, one.run.idempotency_key, one.run.key, one.run.logical_date_us});
    }
    prepared.push_back(std::move(one));
  }
  if (!asked.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(auto found, catalog.FindDuplicates(identities));
    for (size_t i = 0; i < asked.size(); ++i) prepared[asked[i]].existing = std::move(found[i]);
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(Finish(*requests[i].request, &prepared[i]));
  }
  return prepared;
}

}  // namespace penstock::api
