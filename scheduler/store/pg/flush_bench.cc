// Throughput of the flush against a real server: prints durable task lives per second.
//   flush_bench "host=... dbname=..." [seconds] [runs per batch] [tasks|runs|edge|load]
// Each flush ends the previous batch (10 tasks a run) and dispatches the next, as the floor of
// tests/bench/floor does; "runs" also creates and finishes the runs' own rows. "edge" prints the
// microseconds of a flush that ends one task and dispatches the next, which is what the edge of an
// idle cluster waits for; "load" the seconds that a reload with 100,000 live task rows takes.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "scheduler/store/pg/catalog.h"
#include "scheduler/store/pg/domain_store.h"
#include "scheduler/store/pg/migrate.h"

namespace penstock::pg {
namespace {

constexpr char kUsage[] =
    "usage: flush_bench DSN [seconds] [runs per batch] [tasks|runs|edge|load]\n";
constexpr int kLiveTasks = 100'000;
constexpr int64_t kIdBlock = 100'000;
constexpr SessionId kSession(7'777'777'777'777'777);

// What a flush writes.
struct Shape {
  int runs = 100;
  int tasks_per_run = 10;
  bool run_rows = false;
  int tasks() const { return runs * tasks_per_run; }
};

// Writes batch after batch of one domain.
class Load {
 public:
  Load(Database& database, DomainId domain, NamespaceId ns, const Shape& shape)
      : store_(database, domain), shape_(shape), dag_(RandomId()) {
    auto load = store_.TakeOver(SchedulerId(1), {});
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
    const auto load = store_.Reload({epoch_});
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
    if (ids_.count < shape_.runs) {
      auto ids = store_.TakeIds(epoch_, kIdBlock);
      if (!ids.ok()) Fail(ids.status());
      ids_ = *ids;
    }
    const RunId first = ids_.first;
    ids_ = {RunId(first.value() + shape_.runs), ids_.count - shape_.runs};
    return first;
  }

  void EndRuns(core::FlushBatch* batch) {
    const int64_t now = NowMicros();
    for (int i = 0; i < shape_.runs; ++i) {
      const RunId run(first_.value() + i);
      for (int task = 0; task < shape_.tasks_per_run; ++task) {
        core::TaskRow row;
        row.key = {run, task, -1};
        row.state = core::TaskState::kSuccess;
        row.attempt = 1;
        row.started_us = now - 1000 - task;
        row.finished_us = now - task;
        batch->completions.push_back({row});
      }
      if (shape_.run_rows) {
        batch->run_updates.push_back(
            {run, core::RunState::kSuccess, core::RunIntent::kNone, "", false, now, now, false});
      }
    }
  }

  void StartRuns(core::FlushBatch* batch) {
    for (int i = 0; i < shape_.runs; ++i) {
      const RunId run(first_.value() + i);
      for (int task = 0; task < shape_.tasks_per_run; ++task) {
        batch->dispatches.push_back({{run, task, -1}, 1, 0, 0, kSession, false, true});
      }
      if (!shape_.run_rows) continue;
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
  const Shape shape_;
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

Shape ShapeOf(const Arguments& arguments) {
  if (arguments.mode == "edge") return {1, 1, false};
  return {arguments.runs, 10, arguments.mode != "tasks"};
}

// Flushes per second.
double Rate(Load& load, double seconds) {
  const SteadyTime begin = RealClock().Steady();
  int64_t flushes = 0;
  while (RealClock().Steady() - begin < absl::Seconds(seconds)) {
    load.Step();
    ++flushes;
  }
  return static_cast<double>(flushes) / absl::ToDoubleSeconds(RealClock().Steady() - begin);
}

double LoadTime(Load& load, const Shape& shape) {
  for (int tasks = 0; tasks < kLiveTasks; tasks += shape.tasks()) load.StartOnly();
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
  const Shape shape = ShapeOf(arguments);
  Load load(**database, ns->domain, ns->id, shape);
  if (arguments.mode == "load") {
    std::printf("%.3f\n", LoadTime(load, shape));
  } else if (arguments.mode == "edge") {
    std::printf("%.1f\n", 1e6 / Rate(load, arguments.seconds));
  } else {
    std::printf("%.0f\n", Rate(load, arguments.seconds) * shape.tasks());
  }
  return 0;
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  Arguments arguments;
  arguments.dsn = argv[1];
  if ((argc > 2 && !absl::SimpleAtod(argv[2], &arguments.seconds)) ||
      (argc > 3 && !absl::SimpleAtoi(argv[3], &arguments.runs))) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  if (argc > 4) arguments.mode = argv[4];
  return Run(arguments);
}

}  // namespace
}  // namespace penstock::pg

int main(int argc, char** argv) { return penstock::pg::Main(argc, argv); }
