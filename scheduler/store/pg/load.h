#pragma once
// Reads a domain's facts inside an open transaction.
#include "absl/status/status.h"
#include "common/base/ids.h"
#include "scheduler/core/facts.h"
#include "scheduler/store/pg/transaction.h"

namespace penstock::pg {

// Fills suspect, namespaces, dags, pools, runs, tasks and sessions of `facts->domain`.
absl::Status LoadDomain(Transaction& transaction, core::DomainFacts* facts);

// Fills runs, tasks, the run's DAG (even when it was deleted) and the namespaces. NOT_FOUND when
// the domain has no such run.
absl::Status LoadOneRun(Transaction& transaction, RunId run, core::DomainFacts* facts);

}  // namespace penstock::pg
