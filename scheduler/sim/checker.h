#pragma once
// The invariants of a simulated cluster, checked as it goes against two sources of truth: what the
// database committed, and what the workers really ran.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/dag/topology.h"
#include "scheduler/core/flush_batch.h"
#include "scheduler/sim/store_model.h"

namespace penstock::sim {

// Not thread-safe.
class Checker {
 public:
  Checker(const StoreModel& store, const core::VersionMap& versions)
      : store_(store), versions_(versions) {}

  // ---- The database ----
  void OnCommit(const core::FlushBatch& batch);
  // ---- The wire ----
  void OnAssignmentReceived(const core::AttemptRef& ref);
  void OnResultAcked(const core::AttemptRef& ref);
  void OnRunAcknowledged(const std::string& idempotency_key, RunId run);
  // ---- The workers ----
  void OnLaunch(const core::AttemptRef& ref, bool instant);
  void OnEnd(const core::AttemptRef& ref);
  // ---- Loads ----
  void OnDigests(const std::string& memory, const std::string& reloaded);
  // ---- The end, when nothing is left to do ----
  void OnQuiet(bool in_time);

  void Violated(int invariant, const std::string& text);
  const std::vector<std::string>& violations() const { return violations_; }
  int64_t completed() const { return completed_; }
  int64_t launched() const { return launched_; }
  const std::set<std::string>& acknowledged() const { return acknowledged_; }

 private:
  void CheckUpstream(const core::Dispatch& dispatch);
  const dag::Topology* TopologyOf(RunId run) const;

  const StoreModel& store_;
  const core::VersionMap& versions_;
  std::vector<std::string> violations_;
  absl::flat_hash_map<core::TaskKey, int32_t> accepted_;  // highest accepted attempt
  absl::flat_hash_map<core::TaskKey, int32_t> running_;   // attempt that runs now
  absl::flat_hash_map<core::TaskKey, int32_t> launched_attempt_;
  absl::flat_hash_set<core::AttemptRef> ended_accepted_;
  absl::flat_hash_set<RunId> retried_;
  std::map<std::string, int> pool_used_;
  std::set<std::string> acknowledged_;
  std::set<std::string> notes_;  // of submits without a key, each sent once
  int64_t completed_ = 0;
  int64_t launched_ = 0;
};

}  // namespace penstock::sim
