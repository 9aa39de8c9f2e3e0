#pragma once
// Who runs next, and where: pools, work classes, fair share, ageing and placement, judged together.
//
// The rule. Ready instances stand in *lines*, one per run and work class (queue, pool and slots,
// labels, resources). Each step serves one instance of one line. Among the lines whose class is
// not blocked (its pool has the slots; a session has a credit, the labels and the resources):
//   1. the namespace with the least pass; a service adds 1 / weight to it (weighted stride);
//   2. within it, a line that was not served for longer than the ageing bound, longest wait first,
//      if the namespace's last service was none of these;
//   3. else the DAG whose best instance has the highest effective weight; equal weights: the DAG
//      with the least pass (+1 per service: DAGs take turns, however many runs each has);
//   4. within it, the line with the highest weight, then the least pass (runs take turns), then the
//      earlier logical date, then the older run. Within a line: weight, then task index.
// A namespace, DAG or line that was idle starts at the pass of the last one served, so idling earns
// nothing. Bound: a line with work that fits is served at least once per ageing bound plus two
// services of its namespace for each line that is as old. A line past its bound that does not fit
// reserves its pool (or one worker that is large enough): nobody else takes what frees there until
// it fits.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "scheduler/core/run.h"
#include "scheduler/core/sessions.h"
#include "scheduler/core/views.h"

namespace penstock::core {

struct Pool {
  PoolRow row;
  int32_t used = 0;
  std::optional<ClassId> reserved_for;
};

struct LineOrder {
  bool operator()(const Line* a, const Line* b) const;
};
struct LineAge {
  bool operator()(const Line* a, const Line* b) const;
};

// The lines of one DAG.
struct DagQueue {
  DagId dag;
  int32_t lines = 0;                        // listed or not
  absl::btree_set<Line*, LineOrder> order;  // the listed ones
  double pass = 0;                          // grows with each service
  double line_pass = 0;                     // of the last line served
  int32_t head_weight = 0;                  // of the best line; meaningful while some are listed
};
struct DagOrder {
  bool operator()(const DagQueue* a, const DagQueue* b) const;
};

struct NamespaceQueue {
  absl::flat_hash_map<DagId, std::unique_ptr<DagQueue>> dags;
  absl::btree_set<DagQueue*, DagOrder> order;  // those with lines
  absl::btree_set<Line*, LineAge> age;
  double pass = 0;  // of the last DAG served
};

// Instances with the same demands.
struct WorkClass {
  std::string queue;
  std::string pool;  // "" = none
  int32_t pool_slots = 1;
  Demand demand;
  absl::btree_map<NamespaceId, NamespaceQueue> queues;  // those with listed lines
  int64_t ready = 0;                                    // in line, held runs included
  int64_t held = 0;                                     // of these, in lines of held runs
  int64_t live = 0;
  uint64_t no_room_at = 0;  // SessionTable::generation() when no session had room; 0 = try
};

// Not thread-safe; part of a Domain.
class Admission {
 public:
  Admission(SessionTable& sessions, absl::Duration ageing_bound)
      : sessions_(sessions), ageing_bound_us_(absl::ToInt64Microseconds(ageing_bound)) {}

  ClassId ClassOf(const dag::TaskSettings& settings);
  const WorkClass& work_class(ClassId id) const { return classes_[id]; }
  size_t class_count() const { return classes_.size(); }

  void SetNamespaceWeight(NamespaceId ns, int32_t weight);
  // Adds a pool or changes its size. Slots in use stay in use.
  void SetPool(const PoolRow& row);
  // False when instances hold or wait for it.
  bool DeletePool(const std::string& name);
  const Pool* FindPool(const std::string& name) const;
  const std::map<std::string, Pool>& pools() const { return pools_; }

  // The instance became ready / is not ready any more without having been picked.
  void Enter(Run& run, uint32_t task, SteadyTime now);
  void Leave(Run& run, uint32_t task);
  // Takes the run's lines out of the order, or puts them back. Idempotent.
  void Hold(Run& run, bool held, SteadyTime now);
  // The run is about to be destroyed: nothing of it may be in line.
  void Forget(Run& run);

  struct Pick {
    Run* run = nullptr;
    uint32_t task = 0;
    Session* session = nullptr;
  };
  // Starts a round: renews the reservations.
  void BeginRound(SteadyTime now);
  // The next instance and its session, taken out of the line, its pool slots and the session's
  // credit and resources charged. Nothing when nothing can be placed.
  std::optional<Pick> Next(SteadyTime now);
  // The run of what Next would return; null when that is nothing.
  const Run* Peek(SteadyTime now);

  // Charges a lease that a load found; no limit is checked (it was, when it was given).
  void Charge(ClassId id, Session* session);
  // Gives pool slots and the session's resources back (not the credit). `session` may be null.
  void Release(ClassId id, Session* session);

  // Why an instance that stands in line there is not served; kInLine when nothing blocks it.
  struct Verdict {
    Reason reason = Reason::kInLine;
    std::string sentence;
    std::string hint;
  };
  Verdict Judge(const Run& run, uint32_t task) const;

 private:
  struct Candidate {
    WorkClass* cls = nullptr;
    NamespaceId ns;
    NamespaceQueue* queue = nullptr;
    Line* line = nullptr;
    bool aged = false;
    Session* session = nullptr;  // once it is placed
  };
  struct NamespaceShare {
    int32_t weight = 1;
    double pass = 0;
    bool aged_last = false;  // its last service was that of an aged line
  };

  Line& LineOf(Run& run, ClassId cls);
  NamespaceQueue& QueueOf(const Line& line);
  void List(Line& line, SteadyTime now);
  void Unlist(Line& line);
  void TrimHeap(Line& line);
  bool PoolBlocks(ClassId id, const WorkClass& cls) const;
  bool HasRoom(const WorkClass& cls) const;
  void ReservePool(ClassId id, WorkClass& cls);
  std::optional<Candidate> Best(SteadyTime now);
  std::optional<Candidate> Place(SteadyTime now);
  Candidate TopOf(WorkClass& cls, NamespaceId ns, NamespaceQueue& queue, SteadyTime now) const;
  bool Better(const Candidate& a, const Candidate& b) const;
  Pick Serve(const Candidate& candidate, SteadyTime now);
  Verdict JudgePool(const WorkClass& cls, ClassId id) const;
  Verdict JudgeWorkers(const WorkClass& cls, ClassId id) const;

  SessionTable& sessions_;
  const int64_t ageing_bound_us_;
  std::vector<WorkClass> classes_;
  absl::flat_hash_map<std::string, ClassId> class_by_key_;
  std::map<std::string, Pool> pools_;
  absl::flat_hash_map<NamespaceId, NamespaceShare> shares_;
  double namespace_pass_ = 0;  // of the last namespace served
};

}  // namespace penstock::core
