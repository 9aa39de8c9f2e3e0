// Throughput of the flush against a real server: prints durable task lives per second.
//   flush_bench "host=... dbname=..." [seconds] [runs per batch] [tasks|runs]
// Each flush ends the previous batch (10 tasks a run) and dispatches the next, as the floor of
// tests/bench/floor does; "runs" also creates and finishes the runs' own rows.
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

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: flush_bench DSN [seconds] [runs per batch] [tasks|runs]\n", stderr);
    return 2;
  }
  Options options;
  options.dsn = argv[1];
  const double seconds = argc > 2 ? std::atof(argv[2]) : 10;
  const int runs = argc > 3 ? std::atoi(argv[3]) : 100;
  const bool run_rows = argc > 4 && std::string(argv[4]) == "runs";
  auto database = Database::Create(options);
  if (!database.ok() || !Migrate(**database).ok()) return 1;
  PgCatalog catalog(**database);
  const auto ns = catalog.CreateNamespace(std::to_string(RandomId()), std::nullopt, 1);
  if (!ns.ok()) return 1;
  Load load(**database, ns->domain, ns->id, runs, run_rows);
  const SteadyTime begin = RealClock().Steady();
  int64_t flushes = 0;
  while (RealClock().Steady() - begin < absl::Seconds(seconds)) {
    load.Step();
    ++flushes;
  }
  const double took = absl::ToDoubleSeconds(RealClock().Steady() - begin);
  std::printf("%.0f\n", static_cast<double>(flushes) * runs * kTasksPerRun / took);
  return 0;
}

}  // namespace
}  // namespace penstock::pg

int main(int argc, char** argv) { return penstock::pg::Main(argc, argv); }
