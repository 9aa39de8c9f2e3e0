#pragma once
// What the API reads and writes beside the owners: immutable versions and bundles, namespaces, and
// the lists that people look at. Blocking, thread-safe (a small pool of connections behind it).
// Times are microseconds since 1970; 0 = none. Lists are pages: at most `limit` rows after `after`.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/ids.h"
#include "scheduler/core/facts.h"

namespace penstock::store {

struct NamespaceRecord {
  NamespaceId id;
  std::string name;
  DomainId domain;
  int32_t weight = 1;
  int64_t created_us = 0;
};

struct VersionRecord {
  VersionId id;
  NamespaceId ns;
  std::string namespace_name;
  std::string dag;     // name
  int32_t number = 0;  // 1, 2, ... within (namespace, dag name)
  std::string hash;
  std::string canonical_json;
  std::string bundle_hash;
  int32_t task_count = 0;
  int64_t created_us = 0;
};

struct DagRecord {
  core::DagRow row;
  std::string description;
  int32_t version_number = 0;
  std::string version_hash;
  int32_t task_count = 0;
  int64_t created_us = 0;
  int64_t updated_us = 0;
};

struct RunRecord {
  core::RunRow row;
  std::string dag_name;
  NamespaceId ns;
  int32_t version_number = 0;
};

struct TaskRecord {
  core::TaskRow row;
  std::string worker;  // session's worker name
  std::string error;   // of the latest attempt
};

struct AttemptView {
  core::TaskRow row;
  std::string worker;
  std::string error;
  bool charged = false;
};

// Any of the three names a run of the DAG (each ignored when empty or 0), in this order.
struct RunIdentity {
  DagId dag;
  std::string idempotency_key;
  std::string run_key;
  int64_t logical_date_us = 0;
};

struct RunFilter {
  std::optional<std::string> dag;
  std::vector<core::RunState> states;
  RunId before;  // newest first, strictly below this id; 0 = from the newest
  int limit = 100;
};

struct InboxRow {
  int64_t id = 0;
  std::string method;        // "CreateRun": a ControlService request
  std::string payload_json;  // its protobuf JSON
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  virtual absl::StatusOr<std::vector<NamespaceRecord>> ListNamespaces() = 0;
  virtual absl::StatusOr<NamespaceRecord> FindNamespace(std::string_view name) = 0;  // NOT_FOUND
  // Creates the namespace with a domain of its own, or in `share_domain_with`'s. ALREADY_EXISTS.
  virtual absl::StatusOr<NamespaceRecord> CreateNamespace(
      std::string_view name, std::optional<std::string> share_domain_with, int32_t weight) = 0;

  // Stores an immutable version; the same hash of the same DAG gives the same record.
  virtual absl::StatusOr<VersionRecord> PutVersion(NamespaceId ns, std::string_view dag,
                                                   std::string_view hash,
                                                   std::string_view canonical_json,
                                                   std::string_view bundle_hash,
                                                   int32_t task_count) = 0;
  virtual absl::StatusOr<VersionRecord> GetVersion(VersionId id) = 0;
  virtual absl::Status PutBundle(std::string_view hash, std::string_view bytes) = 0;
  virtual absl::StatusOr<std::string> GetBundle(std::string_view hash) = 0;

  virtual absl::StatusOr<DagRecord> FindDag(NamespaceId ns, std::string_view name) = 0;
  virtual absl::StatusOr<std::vector<DagRecord>> ListDags(NamespaceId ns, std::string_view prefix,
                                                          std::string_view after, int limit) = 0;
  // A fresh id for a DAG about to be applied for the first time.
  virtual absl::StatusOr<DagId> NewDagId() = 0;

  virtual absl::StatusOr<RunRecord> GetRun(RunId id) = 0;
  virtual absl::StatusOr<RunRecord> FindRunByKey(NamespaceId ns, std::string_view dag,
                                                 std::string_view key) = 0;
  // For each identity the run that has it, if there is one.
  virtual absl::StatusOr<std::vector<std::optional<RunRecord>>> FindDuplicates(
      const std::vector<RunIdentity>& identities) = 0;
  virtual absl::StatusOr<std::vector<RunRecord>> ListRuns(NamespaceId ns,
                                                          const RunFilter& filter) = 0;

  // Rows that exist, by (task, map), strictly after the given place; waiting ones have no row.
  virtual absl::StatusOr<std::vector<TaskRecord>> ListTasks(
      RunId run, std::optional<std::pair<int32_t, int32_t>> after, int limit) = 0;
  virtual absl::StatusOr<std::optional<TaskRecord>> GetTask(const core::TaskKey& key) = 0;
  virtual absl::StatusOr<std::vector<AttemptView>> ListAttempts(const core::TaskKey& key) = 0;
  // Output of the latest successful attempt; "" = none.
  virtual absl::StatusOr<std::string> GetOutput(const core::TaskKey& key) = 0;
  // The same for many instances in one round trip, in the order asked.
  virtual absl::StatusOr<std::vector<std::string>> GetOutputs(
      const std::vector<core::TaskKey>& keys) = 0;

  virtual absl::StatusOr<std::vector<core::PoolRow>> ListPools(DomainId domain) = 0;

  // Durable inbox: requests for an owner that could not be reached, or made in SQL.
  virtual absl::StatusOr<std::vector<InboxRow>> ReadInbox(DomainId domain, int limit) = 0;
};

// Deletes what is older than the retention allows. One caller in the fleet at a time is enough;
// several do no harm. Never touches live runs.
class Maintenance {
 public:
  virtual ~Maintenance() = default;
  struct Report {
    int64_t runs_deleted = 0;
    int partitions_dropped = 0;
    int partitions_created = 0;
    std::vector<RunId> last_runs;  // some of the deleted runs, for their logs; call again while
                                   // runs_deleted equals the batch size
  };
  // Makes sure that the current and the next partition exist.
  virtual absl::StatusOr<Report> EnsurePartitions() = 0;
  // Deletes finished runs older than `keep_seconds`, at most `batch` of them, and drops partitions
  // that hold nothing any more.
  virtual absl::StatusOr<Report> Retain(int64_t keep_seconds, int batch) = 0;
};

}  // namespace penstock::store
