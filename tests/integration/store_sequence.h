#pragma once
// Random calls of a domain's store, made from what the model of the store holds. The same seed
// gives the same calls, whatever the ids that the database hands out.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "scheduler/core/flush_batch.h"
#include "scheduler/sim/store_model.h"

namespace penstock::testing {

inline constexpr int64_t kLastDays = 4'102'444'800'000'000;  // runs end after this, microseconds

class StoreSequence {
 public:
  // Ids of DAGs and sessions are unique to `number`, because sequences share a database.
  StoreSequence(uint64_t number, NamespaceId ns, const sim::StoreModel& model)
      : random_(number), first_id_(static_cast<int64_t>(number) * 16), ns_(ns), model_(model) {}

  SplitMix64& random() { return random_; }
  void GiveIds(store::IdBlock ids) { ids_ = ids; }
  void AddInbox(int64_t id) { inbox_.push_back(id); }
  // Any run that was ever made, or none.
  RunId AnyRun();
  // A batch that mostly meets the rows as they are, and sometimes does not.
  core::FlushBatch Batch();

 private:
  using Rows = std::map<core::TaskKey, core::TaskRow>;

  int64_t Number() { return static_cast<int64_t>(random_.Below(1'000'000'000'000)); }
  int32_t Small() { return static_cast<int32_t>(random_.Below(5)); }
  std::string Text();
  SessionId Session() { return SessionId(first_id_ + 1 + static_cast<int64_t>(random_.Below(4))); }
  DagId Dag() { return DagId(first_id_ + 1 + static_cast<int64_t>(random_.Below(4))); }
  void AddSession(core::FlushBatch* batch);
  void AddRun(core::FlushBatch* batch);
  void AddDag(core::FlushBatch* batch);
  void AddPool(core::FlushBatch* batch);
  void Complete(core::TaskRow& row, core::FlushBatch* batch);
  void Decide(core::TaskRow& row, core::FlushBatch* batch);
  void Dispatch(RunId run, Rows& rows, core::FlushBatch* batch);
  void MarkStarted(core::TaskRow& row, core::FlushBatch* batch);
  void UpdateRun(const core::RunRow& run, core::FlushBatch* batch);
  void Spoil(const Rows& rows, core::FlushBatch* batch);

  SplitMix64 random_;
  const int64_t first_id_;
  const NamespaceId ns_;
  const sim::StoreModel& model_;
  store::IdBlock ids_;
  std::vector<RunId> runs_;
  std::vector<int64_t> inbox_;
};

}  // namespace penstock::testing
