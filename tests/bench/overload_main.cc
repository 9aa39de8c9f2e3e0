// penstock-overload [--seconds N] [SCENARIO...]: more than a cluster can take, on a cluster of the
// programs in ../bin. Prints figures, then PASS or FAIL for each scenario; exits with the number of
// those that failed.
//   submissions  ten times what it can take, for N seconds (60)
//   slow         clients that never read what they have asked for
//   watches      10,000 streams that watch one run
//   herd         1,000 workers that are all cut off at once
//   logs         a task that prints 1 GB
//   output       a task whose output is 100 MB
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/service/thread.h"
#include "common/testing/temp_dir.h"
#include "fmt/format.h"
#include "tests/bench/api_load.h"
#include "tests/bench/cluster.h"
#include "tests/bench/floor.h"
#include "tests/bench/herd.h"
#include "tests/bench/report.h"
#include "tests/bench/resources.h"
#include "tests/bench/runs.h"
#include "tests/bench/shapes.h"
#include "tests/chaos/fleet.h"

namespace penstock::bench {
namespace {

// With as many active runs as a DAG has that does not say otherwise.
constexpr char kSingle[] = "dag: single\ntasks:\n  t0: {noop: {on: worker}}\n";
constexpr double kMegabyte = 1e6;
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr absl::Duration kPoll = absl::Milliseconds(20);

// The largest resident memory of a process while this lives.
class PeakMemory {
 public:
  explicit PeakMemory(pid_t pid)
      : thread_("memory", [this, pid] {
          while (!stop_) {
            peak_ = std::max(peak_.load(), ResidentBytes(pid));
            absl::SleepFor(kPoll);
          }
        }) {}
  ~PeakMemory() {
    stop_ = true;
    thread_.Join();
  }
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;
  double megabytes() const { return peak_ / kMegabyte; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<double> peak_{0};
  service::Thread thread_;
};

// One scenario's cluster and what was found.
class Stage {
 public:
  static absl::StatusOr<std::unique_ptr<Stage>> Make(const std::string& bin_dir,
                                                     const std::string& data_dir,
                                                     absl::Duration length) {
    auto stage = std::make_unique<Stage>();
    stage->length = length;
    PENSTOCK_ASSIGN_OR_RETURN(stage->cluster, Cluster::Start({bin_dir, data_dir, 1, 1, 64}));
    PENSTOCK_ASSIGN_OR_RETURN(stage->facts, stage->cluster->Facts());
    PENSTOCK_RETURN_IF_ERROR(stage->cluster->Apply(kSingle));
    return stage;
  }

  void Expect(bool holds, const std::string& what) {
    std::printf("  %s %s\n", holds ? "ok  " : "FAIL", what.c_str());
    std::fflush(stdout);
    good = good && holds;
  }
  pid_t scheduler() const { return facts.pids.at("scheduler").at(0); }
  pid_t worker() const { return facts.pids.at("worker").at(0); }
  // A chain of so many tasks that sleep for 50 ms each.
  absl::StatusOr<int64_t> StartChain(int tasks) const {
    PENSTOCK_RETURN_IF_ERROR(cluster->Apply(Chain("chain", tasks, "sh: sleep 0.05")));
    PENSTOCK_ASSIGN_OR_RETURN(const auto runs, cluster->Trigger(cluster->client(), "chain", 1));
    return runs[0];
  }
  // Waits for its end; no task may have followed later than `bound` after the one before.
  absl::Status ExpectChain(int64_t run, absl::Duration bound) {
    PENSTOCK_RETURN_IF_ERROR(WaitForRun(cluster->client(), run, kPatience));
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> edges, Edges(cluster->client(), run));
    const double most = Quantile(edges, 1);
    Expect(most <= absl::ToDoubleMicroseconds(bound),
           fmt::format("edges of a running chain: p50 {:.1f} ms, p99 {:.1f} ms, longest {:.1f} ms",
                       Quantile(edges, 0.5) / 1e3, Quantile(edges, 0.99) / 1e3, most / 1e3));
    return absl::OkStatus();
  }
  void ExpectMemory(const std::string& who, double megabytes, double bound) {
    Expect(megabytes <= bound, fmt::format("{}: {:.0f} MB at most", who, megabytes));
  }
  // How long one submission takes.
  absl::StatusOr<absl::Duration> TimeSubmit() const {
    const SteadyTime begin = RealClock().Steady();
    PENSTOCK_RETURN_IF_ERROR(cluster->Trigger(cluster->client(), "single", 1).status());
    return RealClock().Steady() - begin;
  }
  // Waits until `done`; how long that took.
  absl::StatusOr<absl::Duration> Until(const std::function<bool()>& done) const {
    const SteadyTime begin = RealClock().Steady();
    while (!done()) {
      if (RealClock().Steady() - begin > kPatience) {
        return absl::DeadlineExceededError("what is waited for does not come");
      }
      absl::SleepFor(kPoll);
    }
    return RealClock().Steady() - begin;
  }

  absl::Duration length;
  std::unique_ptr<Cluster> cluster;
  ClusterFacts facts;
  bool good = true;
};

// ---- Submissions ----

// Floods for a while and says what became of it; the runs that were acknowledged.
int64_t Flood(Stage& stage, const ApiLoadOptions& options, absl::Duration length, double capacity) {
  const ApiLoadResult result = LoadFor(options, length);
  int64_t refused = 0;
  std::string codes;
  for (const auto& [code, count] : result.refused) {
    refused += count;
    codes += fmt::format(" {} {}", absl::StatusCodeToString(code), count);
  }
  const double offered =
      result.runs_per_second() +
      static_cast<double>(refused * options.runs_per_call) / absl::ToDoubleSeconds(result.length);
  std::printf("  offered %.0f runs/s, %.1f times the %.0f that it takes; took %.0f\n", offered,
              offered / capacity, capacity, result.runs_per_second());
  stage.Expect(offered >= 10 * capacity, "ten times as many submissions as it can take");
  const bool one_code =
      result.refused.size() == 1 && result.refused.contains(absl::StatusCode::kResourceExhausted);
  stage.Expect(one_code && result.hinted == refused,
               fmt::format("refused calls:{}, {} with a retry hint", codes, result.hinted));
  return result.runs;
}

absl::Status Submissions(Stage& stage) {
  const std::string& address = stage.facts.address;
  const ApiLoadOptions usual{address, "single", 50, 1, 1, ""};
  const double capacity = LoadFor(usual, absl::Seconds(3)).runs_per_second();
  int64_t acknowledged = 0;
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t chain,
      stage.StartChain(std::min(1000, static_cast<int>(absl::ToInt64Seconds(stage.length)) * 10)));
  {
    const PeakMemory scheduler(stage.scheduler());
    acknowledged = Flood(stage, {address, "single", 200, 50, 20, ""}, stage.length, capacity);
    stage.ExpectMemory("scheduler", scheduler.megabytes(), 1024);
  }
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, stage.Until([&] {
    const auto took = stage.TimeSubmit();
    return took.ok() && *took < absl::Milliseconds(100);
  }));
  stage.Expect(recovery < absl::Seconds(10),
               fmt::format("a submission takes less than 100 ms again after {:.1f} s",
                           absl::ToDoubleSeconds(recovery)));
  PENSTOCK_RETURN_IF_ERROR(stage.ExpectChain(chain, absl::Seconds(2)));
  PENSTOCK_ASSIGN_OR_RETURN(
      const std::string stored,
      Psql(stage.facts.socket_dir,
           "select count(*) from penstock.run r join penstock.dag d on d.id = r.dag_id "
           "where d.name = 'single'",
           absl::Minutes(1)));
  int64_t runs = 0;
  stage.Expect(absl::SimpleAtoi(stored, &runs) && runs >= acknowledged,
               fmt::format("{} runs were acknowledged, and are stored", acknowledged));
  return absl::OkStatus();
}

// ---- Clients ----

absl::Status SlowClients(Stage& stage) {
  constexpr int kStreams = 20;  // of each kind
  PENSTOCK_RETURN_IF_ERROR(
      stage.cluster->Apply(Wide("talk", 1, "sh: head -c 16000000 /dev/zero | tr '\\\\0' x")));
  PENSTOCK_ASSIGN_OR_RETURN(const auto talks,
                            stage.cluster->Trigger(stage.cluster->client(), "talk", 1));
  PENSTOCK_RETURN_IF_ERROR(stage.cluster->WaitForAll(kPatience));
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t chain, stage.StartChain(200));
  const double before = ResidentBytes(stage.scheduler()) / kMegabyte;
  const PeakMemory scheduler(stage.scheduler());
  const auto channel = rpc::MakeChannel(stage.facts.address, {});
  const auto stub = v1::ControlService::NewStub(channel);
  v1::WatchRunRequest watch;
  watch.mutable_run()->set_id(chain);
  v1::ReadLogsRequest logs;
  logs.mutable_run()->set_id(talks[0]);
  logs.set_task("t0");
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::RunProgress>>> watches;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::LogRecord>>> readings;
  for (int i = 0; i < kStreams; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    watches.push_back(stub->WatchRun(contexts.back().get(), watch));
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readings.push_back(stub->ReadLogs(contexts.back().get(), logs));
  }
  PENSTOCK_RETURN_IF_ERROR(stage.ExpectChain(chain, absl::Seconds(2)));
  for (const auto& context : contexts) context->TryCancel();
  for (const auto& stream : watches) (void)stream->Finish();
  for (const auto& stream : readings) (void)stream->Finish();
  stage.ExpectMemory(fmt::format("scheduler, {:.0f} MB before", before), scheduler.megabytes(),
                     before + 256);
  return absl::OkStatus();
}

absl::Status Watches(Stage& stage) {
  constexpr int kStreams = 10'000, kConnections = 100;
  PENSTOCK_RETURN_IF_ERROR(stage.cluster->Apply(Chain("watched", 10, "sh: sleep 2")));
  PENSTOCK_ASSIGN_OR_RETURN(const auto watched,
                            stage.cluster->Trigger(stage.cluster->client(), "watched", 1));
  const PeakMemory scheduler(stage.scheduler());
  const WatchCrowd crowd(stage.facts.address, watched[0], kStreams, kConnections);
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration began, stage.Until([&] {
    return crowd.heard() + crowd.failed() >= kStreams;
  }));
  std::printf("  all have heard of the run after %.1f s\n", absl::ToDoubleSeconds(began));
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t chain, stage.StartChain(100));
  PENSTOCK_RETURN_IF_ERROR(stage.ExpectChain(chain, absl::Seconds(2)));
  PENSTOCK_RETURN_IF_ERROR(WaitForRun(stage.cluster->client(), watched[0], kPatience));
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration ended, stage.Until([&] {
    return crowd.ended() + crowd.failed() == kStreams;
  }));
  stage.Expect(crowd.failed() == 0, fmt::format("all streams ended well, {:.1f} s after the run",
                                                absl::ToDoubleSeconds(ended)));
  stage.ExpectMemory("scheduler", scheduler.megabytes(), 1024);
  return absl::OkStatus();
}

// ---- Workers ----

absl::Status Herd(Stage& stage) {
  constexpr int kWorkers = 1000;
  const std::vector<std::string> address = absl::StrSplit(stage.facts.address, ':');
  int port = 0;
  if (address.size() != 2 || !absl::SimpleAtoi(address[1], &port)) {
    return absl::InternalError("no port in " + stage.facts.address);
  }
  PENSTOCK_ASSIGN_OR_RETURN(const auto proxy,
                            chaos::RunningProxy::Start({address[0], port, false}));
  const PeakMemory scheduler(stage.scheduler());
  const WorkerHerd herd({{fmt::format("127.0.0.1:{}", proxy->port())}, kWorkers, 0, "herd"});
  const auto all = [&] { return herd.bound() == kWorkers; };
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration first, stage.Until(all));
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t chain, stage.StartChain(200));
  absl::SleepFor(absl::Seconds(1));
  proxy->Command("reset");
  PENSTOCK_RETURN_IF_ERROR(stage.Until([&] { return !all(); }).status());
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration again, stage.Until(all));
  stage.Expect(again < absl::Seconds(10),
               fmt::format("all bound {:.1f} s after the start, {:.1f} s after the cut",
                           absl::ToDoubleSeconds(first), absl::ToDoubleSeconds(again)));
  stage.Expect(herd.lost() == 0, fmt::format("{} sessions lost", herd.lost()));
  PENSTOCK_RETURN_IF_ERROR(stage.ExpectChain(chain, absl::Seconds(2)));
  stage.ExpectMemory("scheduler", scheduler.megabytes(), 512);
  return absl::OkStatus();
}

// ---- Tasks ----

absl::StatusOr<v1::TaskInstance> RunTask(Stage& stage, const std::string& dag,
                                         const std::string& what) {
  PENSTOCK_RETURN_IF_ERROR(stage.cluster->Apply(Wide(dag, 1, what)));
  PENSTOCK_ASSIGN_OR_RETURN(const auto runs,
                            stage.cluster->Trigger(stage.cluster->client(), dag, 1));
  v1::GetTaskInstanceRequest request;
  request.mutable_run()->set_id(runs[0]);
  request.set_task("t0");
  request.set_map_index(-1);
  v1::TaskInstance instance;
  PENSTOCK_RETURN_IF_ERROR(stage
                               .Until([&] {
                                 auto found = stage.cluster->client().GetTaskInstance(request);
                                 if (found.ok()) instance = *std::move(found);
                                 return instance.has_finished_at() || !instance.error().empty();
                               })
                               .status());
  return instance;
}

absl::Status Logs(Stage& stage) {
  const PeakMemory scheduler(stage.scheduler()), worker(stage.worker());
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t chain, stage.StartChain(100));
  PENSTOCK_ASSIGN_OR_RETURN(
      const v1::TaskInstance task,
      RunTask(stage, "flood", "sh: head -c 1000000000 /dev/zero | tr '\\\\0' x"));
  stage.Expect(task.state() == v1::TASK_STATE_SUCCESS, "the task succeeds");
  v1::ReadLogsRequest request;
  request.mutable_run()->set_id(task.run_id());
  request.set_task("t0");
  request.set_map_index(-1);
  request.set_follow(true);
  const auto logs = stage.cluster->client().ReadLogs(request);
  int64_t bytes = 0;
  bool truncated = false;
  for (v1::LogRecord record;;) {
    const client::StreamEvent event = logs->Next(absl::Seconds(1), &record);
    if (event == client::StreamEvent::kEnd) break;
    if (event != client::StreamEvent::kMessage) continue;
    bytes += static_cast<int64_t>(record.data().size());
    truncated = truncated || record.truncated();
  }
  stage.Expect(truncated && bytes <= 64 << 20,
               fmt::format("{:.1f} MB of its log are kept, marked as truncated",
                           static_cast<double>(bytes) / kMegabyte));
  stage.ExpectMemory("scheduler", scheduler.megabytes(), 256);
  stage.ExpectMemory("worker", worker.megabytes(), 256);
  return stage.ExpectChain(chain, absl::Seconds(2));
}

absl::Status Output(Stage& stage) {
  const PeakMemory scheduler(stage.scheduler()), worker(stage.worker());
  PENSTOCK_ASSIGN_OR_RETURN(
      const v1::TaskInstance task,
      RunTask(stage, "big",
              "sh: '(printf k=; head -c 100000000 /dev/zero | tr \\\\0 x) > $PENSTOCK_OUTPUT'"));
  stage.Expect(task.state() == v1::TASK_STATE_FAILED && !task.error().empty(),
               "the task fails: " + task.error());
  stage.ExpectMemory("scheduler", scheduler.megabytes(), 256);
  stage.ExpectMemory("worker", worker.megabytes(), 256);
  return absl::OkStatus();
}

using Scenario = std::function<absl::Status(Stage&)>;

bool Play(const Scenario& scenario, absl::Duration length) {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const testing::TempDir dir("overload");
  auto stage = Stage::Make((self.parent_path() / "bin").string(), dir.path() / "data", length);
  const absl::Status status = stage.ok() ? scenario(**stage) : stage.status();
  if (!status.ok()) std::printf("  FAIL %s\n", status.ToString().c_str());
  return status.ok() && (*stage)->good;
}

int Main(std::vector<std::string> names) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const std::vector<std::pair<std::string, Scenario>> scenarios = {{"submissions", Submissions},
                                                                   {"slow", SlowClients},
                                                                   {"watches", Watches},
                                                                   {"herd", Herd},
                                                                   {"logs", Logs},
                                                                   {"output", Output}};
  absl::Duration length = absl::Minutes(1);
  if (names.size() >= 2 && names[0] == "--seconds") {
    int seconds = 0;
    if (!absl::SimpleAtoi(names[1], &seconds) || seconds < 1) {
      std::fputs("--seconds takes a number from 1 on\n", stderr);
      return 2;
    }
    length = absl::Seconds(seconds);
    names.erase(names.begin(), names.begin() + 2);
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int failures = 0;
  for (const auto& [name, scenario] : scenarios) {
    if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
    std::printf("%s\n", name.c_str());
    const bool good = Play(scenario, length);
    std::printf("%s %s\n", good ? "PASS" : "FAIL", name.c_str());
    std::fflush(stdout);
    failures += good ? 0 : 1;
  }
  return failures;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) {
  return penstock::bench::Main(std::vector<std::string>(argv + 1, argv + argc));
}
