#include "tests/bench/runs.h"

#include <algorithm>
#include <initializer_list>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"

namespace penstock::bench {
namespace {

constexpr char kNamespace[] = "default";
constexpr int kRunsPerCall = 1000;

double Micros(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) * 1e6 + static_cast<double>(time.nanos()) / 1e3;
}

// Whether the DAG ("" = any) has a run in one of the states.
absl::StatusOr<bool> AnyRun(client::Client& client, const std::string& dag,
                            std::initializer_list<v1::RunState> states) {
  v1::ListRunsRequest request;
  request.set_namespace_(kNamespace);
  request.set_dag(dag);
  request.set_page_size(1);
  for (const v1::RunState state : states) request.add_states(state);
  PENSTOCK_ASSIGN_OR_RETURN(const v1::ListRunsResponse response, client.ListRuns(request));
  return response.runs_size() > 0;
}

}  // namespace

absl::Status ApplyDag(client::Client& client, const std::string& yaml) {
  v1::ApplyDagRequest request;
  request.set_namespace_(kNamespace);
  request.set_yaml(yaml);
  return client.ApplyDag(request).status();
}

absl::StatusOr<std::vector<int64_t>> TriggerRuns(client::Client& client, const std::string& dag,
                                                 int count) {
  std::vector<int64_t> ids;
  while (count > 0) {
    v1::CreateRunsRequest request;
    for (int i = std::min(count, kRunsPerCall); i > 0; --i, --count) {
      v1::CreateRunRequest* run = request.add_runs();
      run->set_namespace_(kNamespace);
      run->set_dag(dag);
    }
    PENSTOCK_ASSIGN_OR_RETURN(const v1::CreateRunsResponse response, client.CreateRuns(request));
    for (const v1::Run& run : response.runs()) ids.push_back(run.id());
  }
  return ids;
}

absl::Status WaitForRunsOf(client::Client& client, const std::string& dag, absl::Duration at_most) {
  const SteadyTime give_up = RealClock().Steady() + at_most;
  for (;;) {
    PENSTOCK_ASSIGN_OR_RETURN(const bool live,
                              AnyRun(client, dag, {v1::RUN_STATE_QUEUED, v1::RUN_STATE_RUNNING}));
    if (!live) return absl::OkStatus();
    if (RealClock().Steady() > give_up) return absl::DeadlineExceededError("runs do not end");
    absl::SleepFor(kPollPeriod);
  }
}

absl::Status WaitForAllRuns(client::Client& client, absl::Duration at_most) {
  PENSTOCK_RETURN_IF_ERROR(WaitForRunsOf(client, "", at_most));
  PENSTOCK_ASSIGN_OR_RETURN(const bool bad,
                            AnyRun(client, "", {v1::RUN_STATE_FAILED, v1::RUN_STATE_CANCELLED}));
  return bad ? absl::InternalError("a run failed") : absl::OkStatus();
}

absl::StatusOr<std::vector<double>> Edges(client::Client& client, int64_t run) {
  v1::ListTaskInstancesRequest request;
  request.set_namespace_("default");
  request.mutable_run()->set_id(run);
  request.set_page_size(1000);
  PENSTOCK_ASSIGN_OR_RETURN(const v1::ListTaskInstancesResponse response,
                            client.ListTaskInstances(request));
  std::vector<double> edges;
  for (int i = 1; i < response.instances_size(); ++i) {
    edges.push_back(Micros(response.instances(i).started_at()) -
                    Micros(response.instances(i - 1).finished_at()));
  }
  return edges;
}

absl::Status WaitForRun(client::Client& client, int64_t run, absl::Duration at_most,
                        absl::Duration poll) {
  v1::GetRunRequest request;
  request.set_namespace_("default");
  request.mutable_run()->set_id(run);
  const SteadyTime give_up = RealClock().Steady() + at_most;
  while (RealClock().Steady() < give_up) {
    PENSTOCK_ASSIGN_OR_RETURN(const v1::Run state, client.GetRun(request));
    if (state.state() == v1::RUN_STATE_SUCCESS) return absl::OkStatus();
    if (state.has_finished_at()) return absl::InternalError("a run failed: " + state.reason());
    absl::SleepFor(poll);
  }
  return absl::DeadlineExceededError("a run does not end");
}

}  // namespace penstock::bench
