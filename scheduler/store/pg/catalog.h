#pragma once
// What people and the API look at, in PostgreSQL.
#include "scheduler/store/catalog.h"
#include "scheduler/store/pg/database.h"

namespace penstock::pg {

// See store::Catalog. Thread-safe.
class PgCatalog : public store::Catalog {
 public:
  explicit PgCatalog(Database& database) : database_(database) {}  // outlives this

  absl::StatusOr<std::vector<store::NamespaceRecord>> ListNamespaces() override;
  absl::StatusOr<store::NamespaceRecord> FindNamespace(std::string_view name) override;
  absl::StatusOr<store::NamespaceRecord> CreateNamespace(
      std::string_view name, std::optional<std::string> share_domain_with, int32_t weight) override;

  absl::StatusOr<store::VersionRecord> PutVersion(NamespaceId ns, std::string_view dag,
                                                  std::string_view hash,
                                                  std::string_view canonical_json,
                                                  std::string_view bundle_hash,
                                                  int32_t task_count) override;
  absl::StatusOr<store::VersionRecord> GetVersion(VersionId id) override;
  absl::Status PutBundle(std::string_view hash, std::string_view bytes) override;
  absl::StatusOr<std::string> GetBundle(std::string_view hash) override;

  absl::StatusOr<store::DagRecord> FindDag(NamespaceId ns, std::string_view name) override;
  absl::StatusOr<std::vector<store::DagRecord>> ListDags(NamespaceId ns, std::string_view prefix,
                                                         std::string_view after,
                                                         int limit) override;
  absl::StatusOr<DagId> NewDagId() override;

  absl::StatusOr<store::RunRecord> GetRun(RunId id) override;
  absl::StatusOr<store::RunRecord> FindRunByKey(NamespaceId ns, std::string_view dag,
                                                std::string_view key) override;
  absl::StatusOr<std::vector<std::optional<store::RunRecord>>> FindDuplicates(
      const std::vector<store::RunIdentity>& identities) override;
  absl::StatusOr<std::vector<store::RunRecord>> ListRuns(NamespaceId ns,
                                                         const store::RunFilter& filter) override;

  absl::StatusOr<std::vector<store::TaskRecord>> ListTasks(
      RunId run, std::optional<std::pair<int32_t, int32_t>> after, int limit) override;
  absl::StatusOr<std::optional<store::TaskRecord>> GetTask(const core::TaskKey& key) override;
  absl::StatusOr<std::vector<store::AttemptView>> ListAttempts(const core::TaskKey& key) override;
  absl::StatusOr<std::string> GetOutput(const core::TaskKey& key) override;
  absl::StatusOr<std::vector<std::string>> GetOutputs(
      const std::vector<core::TaskKey>& keys) override;

  absl::StatusOr<std::vector<core::PoolRow>> ListPools(DomainId domain) override;
  absl::StatusOr<std::vector<store::InboxRow>> ReadInbox(DomainId domain, int limit) override;

 private:
  Database& database_;
};

}  // namespace penstock::pg
