// Throughput of the flush against a real server: prints durable task lives per second.
//   flush_bench "host=... dbname=..." [seconds] [runs per batch] [tasks|runs|load]
// Each flush ends the previous batch (10 tasks a run) and dispatches the next, as the floor of
// tests/bench/floor does; "runs" also creates and finishes the runs' own rows. "load" prints the
// seconds that a reload with 100,000 live task rows takes instead.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "scheduler/store/pg/catalog.h"
#include "scheduler/store/pg/domain_store.h"
#include "scheduler/store/pg/migrate.h"

namespace penstock::pg {
namespace {

constexpr int kTasksPerRun = 10;
constexpr int kLiveTasks = 100'000;
constexpr int64_t kIdBlock = 100'000;
constexpr SessionId kSession(7'777'777'777'777'777);

// Writes batch after batch of one domain.
class Load {
 public:
  Load(Database& database, DomainId domain, NamespaceId ns, int runs, bool run_rows)
      : store_(database, domain), runs_(runs), run_rows_(run_rows), dag_(RandomId()) {
    auto load = store_.TakeOver(SchedulerId(1), Epoch());
    if (!load.ok()) Fail(load.status());
    epoch_ = load->facts.epoch;
    seq_ = load->facts.flush_seq;
    core::FlushBatch batch;
    batch.dags.push_back({{dag_, ns, "d", false, VersionId(1), 0}, false});
    Flush(batch);
  }

  // Leaves everything running.
  void StartOnly() {
    core::FlushBatch batch;
    first_ = NextRuns();
    StartRuns(&batch);
    Flush(batch);
  }

  // Seconds that a load takes.
  double TimeLoad() {
    const SteadyTime begin = RealClock().Steady();
    const auto load = store_.Reload(epoch_, FlushSeq());
    if (!load.ok()) Fail(load.status());
    seq_ = load->facts.flush_seq;
    return absl::ToDoubleSeconds(RealClock().Steady() - begin);
  }

  void Step() {
    core::FlushBatch batch;
    if (first_) EndRuns(&batch);
    first_ = NextRuns();
    StartRuns(&batch);
    Flush(batch);
  }

 private:
  [[noreturn]] static void Fail(const absl::Status& status) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(1);
  }

  static int64_t NowMicros() { return absl::ToUnixMicros(RealClock().Wall()); }

  RunId NextRuns() {
    if (ids_.count < runs_) {
      auto ids = store_.TakeIds(epoch_, kIdBlock);
      if (!ids.ok()) Fail(ids.status());
      ids_ = *ids;
    }
    const RunId first = ids_.first;
    ids_ = {RunId(first.value() + runs_), ids_.count - runs_};
    return first;
  }

  void EndRuns(core::FlushBatch* batch) {
    const int64_t now = NowMicros();
    for (int i = 0; i < runs_; ++i) {
      const RunId run(first_.value() + i);
      for (int task = 0; task < kTasksPerRun; ++task) {
        core::TaskRow row;
        row.key = {run, task, -1};
        row.state = core::TaskState::kSuccess;
        row.attempt = 1;
        row.started_us = now - 1000 - task;
        row.finished_us = now - task;
        batch->completions.push_back({row});
      }
      if (run_rows_) {
        batch->run_updates.push_back(
            {run, core::RunState::kSuccess, core::RunIntent::kNone, "", false, now, now, false});
      }
    }
  }

  void StartRuns(core::FlushBatch* batch) {
    for (int i = 0; i < runs_; ++i) {
      const RunId run(first_.value() + i);
      for (int task = 0; task < kTasksPerRun; ++task) {
        batch->dispatches.push_back({{run, task, -1}, 1, 0, 0, kSession});
      }
      if (!run_rows_) continue;
      core::RunRow row;
      row.id = run;
      row.dag = dag_;
      row.version = VersionId(1);
      row.key = "run-" + std::to_string(run.value());
      row.state = core::RunState::kRunning;
      row.created_us = row.started_us = NowMicros();
      batch->new_runs.push_back(row);
    }
  }

  void Flush(const core::FlushBatch& batch) {
    seq_ = FlushSeq(seq_.value() + 1);
    const auto result = store_.Flush(epoch_, seq_, batch);
    if (result.verdict != store::FlushVerdict::kCommitted) Fail(result.status);
  }

  PgDomainStore store_;
  const int runs_;
  const bool run_rows_;
  const DagId dag_;
  Epoch epoch_;
  FlushSeq seq_;
  store::IdBlock ids_;
  RunId first_;  // of the batch under way
};

struct Arguments {
  std::string dsn;
  double seconds = 10;
  int runs = 100;
  std::string mode = "tasks";
};

// Task lives per second.
double Throughput(Load& load, const Arguments& arguments) {
  const SteadyTime begin = RealClock().Steady();
  int64_t flushes = 0;
  while (RealClock().Steady() - begin < absl::Seconds(arguments.seconds)) {
    load.Step();
    ++flushes;
  }
  const double took = absl::ToDoubleSeconds(RealClock().Steady() - begin);
  return static_cast<double>(flushes) * arguments.runs * kTasksPerRun / took;
}

double LoadTime(Load& load, const Arguments& arguments) {
  for (int tasks = 0; tasks < kLiveTasks; tasks += arguments.runs * kTasksPerRun) load.StartOnly();
  return std::min(load.TimeLoad(), load.TimeLoad());
}

int Run(const Arguments& arguments) {
  Options options;
  options.dsn = arguments.dsn;
  auto database = Database::Create(options);
  if (!database.ok() || !Migrate(**database).ok()) return 1;
  PgCatalog catalog(**database);
  const auto ns = catalog.CreateNamespace(std::to_string(RandomId()), std::nullopt, 1);
  if (!ns.ok()) return 1;
  Load load(**database, ns->domain, ns->id, arguments.runs, arguments.mode != "tasks");
  if (arguments.mode == "load") {
    std::printf("%.3f\n", LoadTime(load, arguments));
  } else {
    std::printf("%.0f\n", Throughput(load, arguments));
  }
  return 0;
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: flush_bench DSN [seconds] [runs per batch] [tasks|runs|load]\n", stderr);
    return 2;
  }
  Arguments arguments;
  arguments.dsn = argv[1];
  if (argc > 2) arguments.seconds = std::atof(argv[2]);
  if (argc > 3) arguments.runs = std::atoi(argv[3]);
  if (argc > 4) arguments.mode = argv[4];
  return Run(arguments);
}

}  // namespace
}  // namespace penstock::pg

int main(int argc, char** argv) { return penstock::pg::Main(argc, argv); }
