#pragma once
// A run's progress as WatchRun sends it.
#include <string_view>

#include "absl/status/statusor.h"
#include "penstock/v1/control.pb.h"
#include "scheduler/api/caches.h"
#include "scheduler/core/views.h"
#include "scheduler/store/catalog.h"

namespace penstock::api {

inline constexpr int kMaxNamedTasks = 20;

// Of a live run.
v1::RunProgress ToProgress(const core::RunView& view, const store::RunRecord& run,
                           std::string_view ns, const Version& version);

// Of a run that has ended: counts its rows (blocks).
absl::StatusOr<v1::RunProgress> EndedProgress(store::Catalog& catalog, const store::RunRecord& run,
                                              std::string_view ns, const Version& version);

}  // namespace penstock::api
