#pragma once
// A FlushBatch as the parameters of sql/flush.sql.
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/ids.h"
#include "scheduler/core/flush_batch.h"
#include "scheduler/store/pg/params.h"

namespace penstock::pg {

// Sections come out sorted by primary key, so that two flushes that meet on a row (a worker's
// session) cannot deadlock; of several updates of one session, DAG or pool the last counts.
// INVALID_ARGUMENT when a text cannot be stored.
absl::StatusOr<BinaryParams> EncodeFlush(DomainId domain, Epoch epoch, FlushSeq seq,
                                         const core::FlushBatch& batch);

// The section of the dispatches alone.
std::string EncodeDispatches(const std::vector<core::Dispatch>& dispatches);

}  // namespace penstock::pg
