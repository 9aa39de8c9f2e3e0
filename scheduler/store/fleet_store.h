#pragma once
// The fleet as PostgreSQL knows it: schedulers, their beats, domains and their owners.
// Blocking; one caller at a time per object. Holds the one direct database connection.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/ids.h"

namespace penstock::store {

struct SchedulerRow {
  SchedulerId id;
  std::string name;
  std::string address;        // host:port of its gRPC server
  int64_t beat = 0;           // grows while it lives
  int32_t feature_level = 0;  // highest level it understands
  int64_t started_us = 0;
};

struct DomainRow {
  DomainId id;
  Epoch epoch;                // 0 = never owned
  SchedulerId owner;          // 0 = nobody
  FlushSeq flush_seq;         // latest known
  int32_t feature_level = 1;  // a scheduler below it leaves the domain alone
  std::string trouble;        // why it backs off; "" = healthy
  bool moved = false;         // the database is on another timeline than at the last load
};

struct FleetView {
  Incarnation incarnation;
  std::vector<SchedulerRow> schedulers;
  std::vector<DomainRow> domains;
};

// Terms stored in the database so that all agree. Milliseconds.
struct StoredTerms {
  int64_t domain_term_ms = 0;
  int64_t session_term_ms = 0;
  int64_t margin_ms = 0;
};

class FleetStore {
 public:
  virtual ~FleetStore() = default;

  // Brings the schema up to date (safe when several start at once) and returns the terms.
  virtual absl::StatusOr<StoredTerms> Prepare() = 0;
  // Adds this scheduler and takes its liveness lock (a session advisory lock that the kernel
  // releases when the process dies).
  virtual absl::Status Register(const SchedulerRow& self) = 0;
  // One beat of this scheduler and the view of everything. UNAVAILABLE = no beat happened;
  // FAILED_PRECONDITION = this scheduler's row or liveness lock is gone: register anew under
  // another id.
  virtual absl::StatusOr<FleetView> Beat(SchedulerId self) = 0;
  // True when `other`'s liveness lock is free: its process, or its connection, is gone. Polls.
  virtual absl::StatusOr<bool> LockIsFree(SchedulerId other) = 0;
  // Removes a dead or leaving scheduler's row.
  virtual absl::Status Remove(SchedulerId id) = 0;
  // This process knows flush `known` of the domain to be committed. If the database has lost it, a
  // new life of the domain begins, without an owner, and a new incarnation of the database.
  virtual absl::Status DeclareLoss(DomainId domain, FlushSeq known) = 0;
};

}  // namespace penstock::store
