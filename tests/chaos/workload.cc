#include "tests/chaos/workload.h"

#include <fstream>
#include <map>
#include <sstream>
#include <tuple>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"

namespace penstock::chaos {
namespace {

// bash knows the time without starting a program.
std::string Dag(const std::string& truth, int slow_tenths) {
  const auto task = [](std::string_view id, std::string_view needs, std::string_view pool,
                       int tenths) {
    return fmt::format(
        "  {}:\n    needs: [{}]\n{}    sh: |\n"
        "      note() {{ echo \"$PENSTOCK_RUN_ID $PENSTOCK_TASK $PENSTOCK_ATTEMPT $1 "
        "$EPOCHREALTIME\" >>\"$TRUTH\"; }}\n"
        "      note start\n"
        "      for i in $(seq {}); do sleep 0.1; note alive; done\n"
        "      note end\n",
        id, needs, pool, tenths);
  };
  const std::string pool = "    pool: soak\n";
  std::string yaml = fmt::format(
      "dag: soak\nmax_active_runs: 100000\n"
      "defaults: {{shell: /bin/bash -e, env: {{TRUTH: '{}'}}}}\ntasks:\n",
      truth);
  yaml += task("first", "", "", 0) + task("left", "first", "", 0) + task("right", "first", "", 1);
  yaml += task("slow", "first", "", slow_tenths) + task("pool1", "first", pool, 2);
  yaml += task("pool2", "left", pool, 2) + task("join", "left, right", "", 0);
  yaml += task("chain", "join", "", 0) + task("last", "chain, slow, pool1, pool2", "", 0);
  return yaml;
}

using Known = std::map<std::tuple<int64_t, std::string, int32_t>, const Execution*>;

void Compare(client::Client& client, int64_t run, const Known& known,
             std::vector<std::string>* violations) {
  v1::ListTaskInstancesRequest request;
  request.set_namespace_("default");
  request.mutable_run()->set_id(run);
  request.set_page_size(100);
  const auto answer = client.ListTaskInstances(request);
  if (!answer.ok()) {
    violations->push_back(fmt::format("run {} is lost: {}", run, answer.status().ToString()));
    return;
  }
  for (const v1::TaskInstance& instance : answer->instances()) {
    const auto found = known.find({run, instance.task(), instance.attempt()});
    const bool ended = found != known.end() && found->second->ends == 1;
    if (instance.state() == v1::TASK_STATE_SUCCESS && ended) continue;
    violations->push_back(fmt::format("run {} task {}: {} by attempt {}, which {}", run,
                                      instance.task(), v1::TaskState_Name(instance.state()),
                                      instance.attempt(), ended ? "ended" : "did not end"));
  }
}

}  // namespace

Expected WorkloadRules(const WorkloadShape& shape) {
  return {{"first", "left", "right", "slow", "pool1", "pool2", "join", "chain", "last"},
          {{"left", {"first"}},
           {"right", {"first"}},
           {"slow", {"first"}},
           {"pool1", {"first"}},
           {"pool2", {"left"}},
           {"join", {"left", "right"}},
           {"chain", {"join"}},
           {"last", {"chain", "slow", "pool1", "pool2"}}},
          {"pool1", "pool2"},
          shape.pool_slots};
}

absl::Status PrepareWorkload(client::Client& client, const std::string& truth_file,
                             const WorkloadShape& shape) {
  v1::SetPoolRequest pool;
  pool.set_namespace_("default");
  pool.set_name("soak");
  pool.set_slots(shape.pool_slots);
  PENSTOCK_RETURN_IF_ERROR(client.SetPool(pool).status());
  v1::ApplyDagRequest dag;
  dag.set_namespace_("default");
  dag.set_yaml(Dag(truth_file, shape.slow_tenths));
  return client.ApplyDag(dag).status();
}

Truth ReadTruth(const std::string& truth_file) {
  std::stringstream text;
  text << std::ifstream(truth_file).rdbuf();
  return ParseTruth(text.str());
}

Load::Load(std::unique_ptr<client::Client> client, absl::Duration pace)
    : client_(std::move(client)), pace_(pace), thread_("load", [this] { Run(); }) {}

void Load::Stop() {
  stop_ = true;
  thread_.Join();
}

void Load::Run() {
  while (!stop_) {
    v1::CreateRunRequest request;
    request.set_namespace_("default");
    request.set_dag("soak");
    const auto run = client_->CreateRun(request);
    if (run.ok()) {
      acknowledged_.push_back(run->id());
    } else {
      ++refused_;
      last_refusal_ = run.status();
    }
    absl::SleepFor(pace_);
  }
}

absl::StatusOr<absl::Duration> WaitForEnd(client::Client& client, absl::Duration at_most) {
  const SteadyTime begin = RealClock().Steady();
  v1::ListRunsRequest live;
  live.set_namespace_("default");
  live.add_states(v1::RUN_STATE_QUEUED);
  live.add_states(v1::RUN_STATE_RUNNING);
  live.set_page_size(1);
  for (;;) {
    const auto runs = client.ListRuns(live);
    const absl::Duration waited = RealClock().Steady() - begin;
    if (runs.ok() && runs->runs_size() == 0) return waited;
    if (waited > at_most) {
      return absl::DeadlineExceededError(
          runs.ok() ? fmt::format("run {} has not ended", runs->runs(0).id())
                    : runs.status().ToString());
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
}

void CompareWithTruth(client::Client& client, const std::vector<int64_t>& runs, const Truth& truth,
                      std::vector<std::string>* violations) {
  Known known;
  for (const Execution& e : truth.executions) known[{e.run, e.task, e.attempt}] = &e;
  for (const int64_t run : runs) Compare(client, run, known, violations);
}

}  // namespace penstock::chaos
