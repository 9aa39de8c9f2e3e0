#pragma once
// A whole cluster in virtual time: schedulers, workers with their guardians, the network between
// them, the database, clients, and faults at random. The owner protocol, the core, the session hub,
// the fleet judge and the worker's core are the production ones; what is modelled is the database,
// the network and the processes' ways to die. The same options give the same story.
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/lease/terms.h"
#include "scheduler/sim/checker.h"
#include "scheduler/sim/event_loop.h"
#include "scheduler/sim/store_model.h"

namespace penstock::sim {

class SimScheduler;
class SimWorker;
class Database;

// What can go wrong, and when. The last ones belong to careful mode.
enum class FaultKind {
  kKillScheduler,
  kStopScheduler,
  kCutDatabase,
  kKillMain,
  kStopMain,
  kKillWhole,
  kLoseMachine,
  kDatabaseDown,
  kCutOwner,
  kStall,
  kSetClock,
  kPoisonRun,
  kPoisonSubmit,
};
inline constexpr size_t kFaultKinds = 13, kPoisonKinds = 2;
enum class Moment { kAny, kFlush, kTakeOver, kReload, kOwned, kSessionLost, kNote };
inline constexpr size_t kMoments = 7, kCarefulMoments = 1;
std::string_view ToString(FaultKind kind);
std::string_view ToString(Moment moment);

// Of a submit that no owner survives.
inline constexpr char kPoisonNote[] = "poison";

struct Options {
  uint64_t seed = 1;
  int64_t tasks = 2000;  // submit runs until they have this many task instances
  int schedulers = 2;
  int workers = 3;
  int slots = 8;  // of each worker
  bool faults = true;
  std::set<int> skipped_faults;  // by number: what is left out of the story
  bool lost_answers = true;      // connections to the database break in commits
  bool users = true;             // cancel, retry, pause
  Mutation mutation = Mutation::kNone;
  bool verbose = false;  // tell the story on standard error
};

struct Report {
  std::vector<std::string> violations;
  int64_t completed = 0;  // task instances that ended
  int64_t launched = 0;
  int64_t takeovers = 0;
  int64_t reloads = 0;
  int64_t faults = 0;
  int faults_planned = 0;
  std::vector<std::string> story;              // the faults, in order
  std::set<std::pair<Moment, FaultKind>> met;  // what happened when
  int64_t flushes = 0;
  int64_t poisons = 0;  // runs and submits at which schedulers end
  int64_t poison_kills = 0;
  int64_t released = 0;  // retries of runs in quarantine
  double virtual_seconds = 0;
};

class World {
 public:
  explicit World(Options options);
  ~World();
  Report Run();

  // ---- For the parts ----
  const Options& options() const { return options_; }
  EventLoop& loop() { return loop_; }
  SplitMix64& random() { return random_; }
  Checker& checker() { return checker_; }
  StoreModel& store() { return store_; }
  Database& database() { return *database_; }
  const lease::Terms& terms() const { return terms_; }
  const core::VersionMap& versions() const { return versions_; }
  std::vector<std::unique_ptr<SimScheduler>>& schedulers() { return schedulers_; }
  std::vector<std::unique_ptr<SimWorker>>& workers() { return workers_; }
  Report& report() { return report_; }
  int64_t Micros(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(high - low + 1)));
  }
  void Tell(const std::string& line);
  bool quiet() const { return quiet_; }  // faults have stopped
  // A fault may have waited for this.
  void Reached(Moment moment);
  // Every other story is told without poison and careful mode: faults come so often in them that
  // it would be on most of the time.
  bool careful() const { return options_.seed % 2 == 1; }
  // A scheduler ends whenever it decides something about this run.
  bool IsPoison(RunId run) const { return run && run == poison_run_; }
  // A wall clock was, or is, wrong.
  bool clocks_were_set() const { return clocks_were_set_; }
  // It has just done so: this scheduler ends, and comes back as another process.
  void PoisonKills(size_t scheduler);

 private:
  void MakeVersions();
  void TellBatch(const core::FlushBatch& batch);
  void SubmitSome();
  void Submit(const std::string& key, DagId dag);
  void SubmitOnce(const std::string& note, DagId dag);
  void SubmitAgain(SimScheduler* scheduler, const core::NewRun& run, const std::string& key);
  void UserActions();
  void Unpause(DagId id);
  struct PlannedFault {
    int number = 0;
    Moment moment = Moment::kAny;
    FaultKind kind = FaultKind::kKillScheduler;
    SplitMix64 random;  // of its own
  };
  // faults.cc
  void PlanFault();
  void InjectFault(PlannedFault fault);
  void KillScheduler(SimScheduler* scheduler, int64_t back_after_us);
  void StrikeWorker(FaultKind kind, SimWorker* worker, int64_t while_us, int64_t back_after_us);
  void CutOwner(SimWorker* worker, int64_t while_us);
  void PoisonARun();
  void StartPoisonSubmits();
  void SubmitPoison();
  void ReleaseQuarantined();
  void CheckDigests();
  bool Done() const;

  const Options options_;
  const lease::Terms terms_;
  EventLoop loop_;
  SplitMix64 random_;
  core::VersionMap versions_;
  std::vector<core::DagRow> dags_;
  StoreModel store_;
  Checker checker_;
  std::unique_ptr<Database> database_;
  std::vector<std::unique_ptr<SimScheduler>> schedulers_;
  std::vector<std::unique_ptr<SimWorker>> workers_;
  Report report_;
  int64_t submitted_tasks_ = 0;
  int64_t outstanding_submits_ = 0;
  int next_key_ = 0;
  bool quiet_ = false;
  bool clocks_were_set_ = false;
  int next_fault_ = 0;
  std::map<std::pair<Moment, FaultKind>, int> planned_;
  std::vector<PlannedFault> armed_;  // wait for their moment
  RunId poison_run_;
  bool poison_submit_ = false;  // somebody submits what no owner survives, again and again
  int poison_kills_ = 0;        // by either
};

}  // namespace penstock::sim
