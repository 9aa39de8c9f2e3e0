#pragma once
// From a request for a run to the command that creates it.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/api/caches.h"
#include "scheduler/api/validate.h"
#include "scheduler/core/events.h"
#include "scheduler/store/catalog.h"

namespace penstock::api {

// Idempotency keys that schedulers make for requests without one before passing them on, so that
// passing on twice creates one run. Clients' own keys cannot begin so.
inline constexpr std::string_view kForwardKeyPrefix = "penstock-forward:";

// Adds what is wrong with the request by itself; `prefix` goes before the names of fields.
void CheckNewRun(const v1::CreateRunRequest& request, std::string_view prefix, bool forwarded,
                 Checker* check);
// The same for a list: one namespace, no two runs with the same identity.
absl::Status CheckNewRuns(const v1::CreateRunsRequest& request, bool forwarded);

// Gives every run without an idempotency key one of the scheduler's own.
void AddForwardKeys(v1::CreateRunsRequest* request);
// Every run has an idempotency key, the client's or one of those.
bool AllHaveKeys(const v1::CreateRunsRequest& request);
bool HasForwardKey(const v1::CreateRunRequest& request);

struct PreparedRun {
  core::NewRun run;
  std::string dag;                           // name
  std::shared_ptr<const Version> version;    // shared with the cache
  std::optional<store::RunRecord> existing;  // the idempotency key is known: nothing to create
};

struct RunRequest {
  store::DagRecord dag;
  const v1::CreateRunRequest* request;  // the caller's
};

// Resolves parameters, and looks for runs with the same identities if the requests give any (blocks
// on the catalog, once, only then; keys made by schedulers count when `repeated`). What comes after
// `now` may be missing in what it finds. ALREADY_EXISTS names the run that has the key or the
// logical date.
absl::StatusOr<std::vector<PreparedRun>> PrepareRuns(store::Catalog& catalog,
                                                     VersionCache& versions,
                                                     const std::vector<RunRequest>& requests,
                                                     bool repeated, SteadyTime now);

}  // namespace penstock::api
