#pragma once
// A live run in memory: one small record per task instance, whatever its size.
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/dag/trigger_rule.h"
#include "scheduler/core/events.h"
#include "scheduler/core/facts.h"
#include "scheduler/core/version.h"

namespace penstock::core {

// What an instance has seen of its upstream instances (Instance::seen).
inline constexpr uint8_t kSeenSuccess = 1;
inline constexpr uint8_t kSeenFailed = 2;
inline constexpr uint8_t kSeenUpstreamFailed = 4;
inline constexpr uint8_t kSeenSkipped = 8;

// 12 bytes: a million waiting instances are 12 MB.
struct Instance {
  uint32_t remaining = 0;  // relevant upstream instances that have not been counted as done
  int32_t attempt = 0;     // fencing number of the latest attempt
  uint16_t tries = 0;      // charged to the user's retries
  uint8_t infra_tries = 0;
  TaskState state : 4 = TaskState::kWaiting;
  uint8_t seen : 4 = 0;

  dag::UpstreamView View(uint32_t total) const {
    return {total,
            remaining,
            (seen & kSeenSuccess) != 0,
            (seen & kSeenFailed) != 0,
            (seen & kSeenUpstreamFailed) != 0,
            (seen & kSeenSkipped) != 0};
  }
};
static_assert(sizeof(Instance) == 12);

struct DagQueue;
struct Run;

// The ready instances of one run in one work class: a heap of ranks (Version::rank). Entries whose
// instance is not ready any more are dropped when they surface.
struct Line {
  Run* run = nullptr;
  DagQueue* dag = nullptr;  // admission's
  ClassId cls = 0;
  std::vector<uint32_t> heap;
  uint32_t ready = 0;            // instances in line
  int32_t head_weight = 0;       // of the best one; meaningful while listed
  double pass = 0;               // stride: grows with each service
  int64_t waiting_since_us = 0;  // steady: last service, or when the line became non-empty
  bool listed = false;           // in the class' order: non-empty and its run is not held
};

// As its row has it, by the wall clock.
struct RetryTime {
  int64_t at_us = 0;
  TaskKey key;
  int32_t attempt = 0;
};

struct Run {
  RunRow row;
  NamespaceId ns;
  std::shared_ptr<const RunInfo> info;
  std::shared_ptr<const Version> version;
  std::vector<Instance> instances;
  std::vector<bool> propagated;  // the ending has been counted by all downstream
  absl::flat_hash_map<ClassId, std::unique_ptr<Line>> lines;
  std::array<int32_t, kTaskStateCount> counts{};
  std::vector<uint32_t> parked;  // endings that wait until the run is initialised
  uint32_t next_unjudged = 0;    // instances from here on are not initialised yet
  uint32_t sweep = 0;            // cursor of the intent's sweep over the instances
  bool sweeping = false;
  bool cleared = false;                     // there may be rows of instances that had no attempt
  std::vector<bool> clearing;               // of kRetry: cleared, or downstream of such
  absl::flat_hash_set<uint32_t> timed_out;  // skipped because the run's timeout passed
  int32_t live = 0;                         // leased or running
  int32_t pending_propagations = 0;         // endings not yet counted by all downstream
  bool held = false;                        // its lines are out of the order
  bool finished = false;                    // ended; goes when the current step is over
  // Work on it has begun. One that is quarantined when the domain is loaded is left alone: it keeps
  // its leases and what they hold of limits, and what comes for it is not taken.
  bool begun = false;
  std::vector<RetryTime> retries;  // of the load, until it begins
  uint64_t new_run_batch = 0;      // the batch that holds its new row, and where
  size_t new_run_index = 0;

  uint32_t task_count() const { return version->topology().task_count(); }
  // A queued run has no instances in memory yet.
  bool started() const { return !instances.empty(); }
  bool initialised() const { return next_unjudged == task_count(); }
  Instance& at(int32_t task) { return instances[static_cast<size_t>(task)]; }
  const Instance& at(int32_t task) const { return instances[static_cast<size_t>(task)]; }
  int32_t count(TaskState s) const { return counts[static_cast<size_t>(s)]; }
  int32_t unfinished() const {
    return count(TaskState::kWaiting) + count(TaskState::kReady) + count(TaskState::kLeased) +
           count(TaskState::kRunning) + count(TaskState::kUpForRetry) + count(TaskState::kDeferred);
  }
};

// What an unfinished run with these texts takes in memory, its tasks aside: about.
inline int64_t BacklogBytes(std::string_view key, std::string_view params, std::string_view note) {
  constexpr int64_t kRunBytes = 1024;
  // The parameters are kept twice: in the row and with what assignments take along.
  return kRunBytes + static_cast<int64_t>(2 * key.size() + 2 * params.size() + note.size());
}

}  // namespace penstock::core
