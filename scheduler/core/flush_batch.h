#pragma once
// One durable step of a domain: rows to write in one transaction, in the order of the members.
// A row that is not in the expected condition rejects the whole flush: the owner reloads.
#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/core/facts.h"

namespace penstock::core {

// Ends an attempt. Expects attempt equal and state leased or running. `state` is terminal, or
// kUpForRetry (retry_at_us set), or kWaiting (handed back or lost: ready again at once). The row's
// session is the attempt's and stays.
struct Completion {
  TaskRow row;  // as it will be
};

// Decides an instance that is not live: skipped, upstream_failed, cancelled, success (a noop that
// completes in the scheduler), or waiting (cleared by a user). Expects attempt equal (or no row
// when attempt is 0) and the state not live. One per key and flush. The session stays; what is not
// named here (started, retry_at, exit code, signal, usage) becomes 0.
struct Decision {
  TaskKey key;
  TaskState state = TaskState::kWaiting;
  int32_t attempt = 0;  // unchanged by the decision
  int32_t tries = 0;
  int32_t infra_tries = 0;
  Cause cause = Cause::kNone;
  int64_t finished_us = 0;  // 0 with kWaiting
};

// Leases an instance to a session. Expects the row's attempt to be attempt - 1 (no row when
// attempt is 1) and the state waiting or up_for_retry. What is not named here becomes 0. `leap`:
// the first attempt in a new life of the domain; expects any lower number, or no row. `fresh`:
// expects no row, whatever the attempt's number.
struct Dispatch {
  TaskKey key;
  int32_t attempt = 0;
  int32_t tries = 0;
  int32_t infra_tries = 0;
  SessionId session;
  bool leap = false;
  bool fresh = false;
};

// Makes `running` durable for an attempt that has lived for seconds. Ignored when it has ended.
struct StartedMark {
  TaskKey key;
  int32_t attempt = 0;
  int64_t started_us = 0;
};

// Insert-only: attempts that were followed, or will be followed, by another one.
struct AttemptRecord {
  TaskRow row;           // attempt, times, cause, usage; state kFailed or kCancelled
  bool charged = false;  // to the user's retries
  std::string error;
};

// Insert-only: the output of a successful attempt, or the error text of the last one.
struct TaskOutput {
  TaskKey key;
  int32_t attempt = 0;
  std::string output_json;  // "" = none
  std::string error;        // "" = none
};

// New state of a run that exists. Expects it not to be terminal, unless `by_user`.
struct RunUpdate {
  RunId run;
  RunState state = RunState::kQueued;
  RunIntent intent = RunIntent::kNone;
  std::string reason;
  bool quarantined = false;
  int64_t started_us = 0;
  int64_t finished_us = 0;
  bool by_user = false;
};

struct DagUpdate {
  DagRow dag;
  bool deleted = false;  // its runs stay until retention; the name becomes free
};

struct PoolUpdate {
  PoolRow pool;
  bool deleted = false;
};

// Who did what: user actions only.
struct AuditRecord {
  std::string action;   // "run.cancel"
  std::string subject;  // "orders_daily/run-7"
  std::string actor;    // "" until access control exists
  int64_t at_us = 0;
};

struct FlushBatch {
  std::vector<SessionInfo> sessions;  // upserted, and their hello in this epoch recorded
  std::vector<RunRow> new_runs;
  std::vector<DagUpdate> dags;
  std::vector<PoolUpdate> pools;
  std::vector<Completion> completions;
  std::vector<Decision> decisions;
  std::vector<Dispatch> dispatches;
  std::vector<StartedMark> started;
  std::vector<AttemptRecord> attempts;
  std::vector<TaskOutput> outputs;
  std::vector<RunUpdate> run_updates;  // one per run and flush
  std::vector<AuditRecord> audit;
  std::vector<int64_t> inbox_done;  // consumed inbox rows
  bool made_progress = false;       // resets the poison counter

  bool empty() const {
    return sessions.empty() && new_runs.empty() && dags.empty() && pools.empty() &&
           completions.empty() && decisions.empty() && dispatches.empty() && started.empty() &&
           attempts.empty() && outputs.empty() && run_updates.empty() && audit.empty() &&
           inbox_done.empty();
  }
  // Rows in all; the engine keeps a flush near a thousand.
  size_t rows() const {
    return sessions.size() + new_runs.size() + dags.size() + pools.size() + completions.size() +
           decisions.size() + dispatches.size() + started.size() + attempts.size() +
           outputs.size() + run_updates.size() + audit.size() + inbox_done.size();
  }
};

}  // namespace penstock::core
