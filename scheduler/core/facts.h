#pragma once
// Durable facts: what PostgreSQL holds of a domain, as plain values. A Domain is built from a
// DomainFacts (takeover, reload) and describes its changes to them as a FlushBatch.
// Wall-clock times are microseconds since 1970 (UTC); 0 = none. Strings are UTF-8 without NUL.
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "scheduler/core/states.h"

namespace penstock::core {

// One task instance. task = index in the version's topology; map = -1 when not mapped.
struct TaskKey {
  RunId run;
  int32_t task = 0;
  int32_t map = -1;
  friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TaskKey& k) {
    return H::combine(std::move(h), k.run, k.task, k.map);
  }
};

struct NamespaceRow {
  NamespaceId id;
  std::string name;
  int32_t weight = 1;  // fair share within the domain, >= 1
};

struct DagRow {
  DagId id;
  NamespaceId ns;
  std::string name;
  bool paused = false;
  VersionId version;             // current one, used by new runs
  int32_t max_active_runs = 16;  // of the current version; 0 = unlimited
};

struct PoolRow {
  std::string name;  // unique in the domain
  int32_t slots = 0;
  std::string description;
};

struct RunRow {
  RunId id;
  DagId dag;
  VersionId version;
  std::string key;              // unique in the DAG
  std::string idempotency_key;  // unique in the DAG when not empty
  int64_t logical_date_us = 0;  // unique in the DAG when not 0
  std::string params_json;      // "" = {}
  std::string note;
  RunState state = RunState::kQueued;
  RunIntent intent = RunIntent::kNone;
  std::string reason;        // why it failed, or why it is quarantined
  bool quarantined = false;  // nothing of it is scheduled until a user cancels or retries it
  int64_t created_us = 0;
  int64_t started_us = 0;
  int64_t finished_us = 0;
};

// A task_instance row. Exists from the first dispatch or decision on.
struct TaskRow {
  TaskKey key;
  TaskState state = TaskState::kWaiting;
  int32_t attempt = 0;      // fencing number of the latest attempt; never reset
  int32_t tries = 0;        // attempts charged to the user's retries since the last clear
  int32_t infra_tries = 0;  // attempts lost to infrastructure since the last clear
  SessionId session;        // of the latest attempt
  int64_t started_us = 0;
  int64_t finished_us = 0;
  int64_t retry_at_us = 0;  // with kUpForRetry
  Cause cause = Cause::kNone;
  int32_t exit_code = 0;
  int32_t signal = 0;
  int64_t peak_rss_kib = 0;
  int64_t cpu_ms = 0;
};

// A worker's session as told by its hello.
struct SessionInfo {
  SessionId id;
  std::string name;
  std::string group;
  std::vector<std::string> queues;
  std::map<std::string, std::string> labels;
  int64_t cpu_millis = 0;    // 0 = not limited
  int64_t memory_bytes = 0;  // 0 = not limited
  std::map<std::string, int64_t> custom_resources;
  int32_t slots = 0;
  int64_t started_us = 0;
  std::string version;
};

// A session that holds leases of the domain, with the last epoch in which it said hello here.
struct SessionRow {
  SessionInfo info;
  Epoch hello_epoch;
};

// Everything an owner needs to go on. Rows of finished runs are not part of it.
struct DomainFacts {
  DomainId domain;
  Epoch epoch;
  FlushSeq flush_seq;  // of the fence row that this load wrote
  Incarnation incarnation;
  int32_t loads_without_progress = 0;  // this load included, if an owner ended before it
  int32_t first_attempt = 0;           // attempts of the domain's present life have higher numbers
  bool waits = false;                  // leases of a life that lost commits may last: hold still
  std::string suspect;                 // a Suspicion as text: see suspect.h; "" = none
  std::vector<NamespaceRow> namespaces;
  std::vector<DagRow> dags;
  std::vector<PoolRow> pools;
  std::vector<RunRow> runs;    // live (not terminal) runs, by id
  std::vector<TaskRow> tasks;  // of those runs, by key
  std::vector<SessionRow> sessions;
};

}  // namespace penstock::core
