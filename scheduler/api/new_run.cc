#include "scheduler/api/new_run.h"

#include <fmt/format.h>

#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
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

bool HasForwardKey(const v1::CreateRunRequest& request) {
  return request.idempotency_key().compare(0, kForwardKeyPrefix.size(), kForwardKeyPrefix) == 0;
}

absl::StatusOr<PreparedRun> PrepareRun(store::Catalog& catalog, VersionCache& versions,
                                       const store::DagRecord& dag,
                                       const v1::CreateRunRequest& request, bool repeated) {
  PreparedRun prepared;
  prepared.dag = request.dag();
  PENSTOCK_ASSIGN_OR_RETURN(prepared.version, versions.Get(dag.row.version));
  core::NewRun& run = prepared.run;
  run.dag = dag.row.id;
  run.key = request.run_key();
  run.idempotency_key = request.idempotency_key();
  run.logical_date_us = LogicalDate(request);
  run.note = request.note();
  run.looked_up = RealClock().Steady();  // before the look-up: what comes later is not in it
  if (MayExist(request, repeated)) {
    PENSTOCK_ASSIGN_OR_RETURN(auto same, catalog.FindDuplicate(dag.row.id, run.idempotency_key,
                                                               run.key, run.logical_date_us));
    const bool ours = same.has_value() && !run.idempotency_key.empty() &&
                      same->row.idempotency_key == run.idempotency_key;
    if (same.has_value() && !ours) return Taken(*same, request);
    prepared.existing = std::move(same);
  }
  if (prepared.existing.has_value()) return prepared;
  PENSTOCK_ASSIGN_OR_RETURN(run.params_json, dag::ResolveParams(prepared.version->topology->dag(),
                                                                request.params_json()));
  return prepared;
}

}  // namespace penstock::api
