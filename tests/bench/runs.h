#pragma once
// Runs of the namespace "default", through any client.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/client.h"

namespace penstock::bench {

absl::Status ApplyDag(client::Client& client, const std::string& yaml);
// Triggers `count` runs. Their ids, in order.
absl::StatusOr<std::vector<int64_t>> TriggerRuns(client::Client& client, const std::string& dag,
                                                 int count);
// Until no run is live. An error if one has failed.
absl::Status WaitForAllRuns(client::Client& client, absl::Duration at_most);
// Until no run of the DAG is live.
absl::Status WaitForRunsOf(client::Client& client, const std::string& dag, absl::Duration at_most);
// Until this one run has succeeded. An error when it fails, or lasts longer than `at_most`. Looked
// at rarely unless `poll` says otherwise, so that latencies can be measured meanwhile.
absl::Status WaitForRun(client::Client& client, int64_t run, absl::Duration at_most,
                        absl::Duration poll = absl::Milliseconds(50));

// Microseconds between the end of each task of a finished chain of up to 1000 and the start of the
// next, by the worker's clock.
absl::StatusOr<std::vector<double>> Edges(client::Client& client, int64_t run);

// The ends of runs that are waited for are seen this much too late, at most.
inline constexpr absl::Duration kPollPeriod = absl::Milliseconds(10);

}  // namespace penstock::bench
