#pragma once
// A catalog in memory for tests of the API.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "scheduler/store/catalog.h"

namespace penstock::api::testing {

// Rows in maps. Thread-safe. `reads` counts calls by name.
class FakeCatalog final : public store::Catalog {
 public:
  FakeCatalog() { AddNamespace("default", DomainId(1)); }

  store::NamespaceRecord AddNamespace(const std::string& name, DomainId domain) {
    MutexLock lock(&mu_);
    store::NamespaceRecord ns;
    ns.id = NamespaceId(static_cast<int32_t>(namespaces_.size()) + 1);
    ns.name = name;
    ns.domain = domain;
    namespaces_[name] = ns;
    return ns;
  }
  void PutDag(const core::DagRow& row) {
    MutexLock lock(&mu_);
    store::DagRecord dag;
    dag.row = row;
    const store::VersionRecord& version = versions_.at(row.version);
    dag.version_number = version.number;
    dag.version_hash = version.hash;
    dag.task_count = version.task_count;
    dags_[{row.ns, row.name}] = dag;
  }
  void DropDag(DagId id) {
    MutexLock lock(&mu_);
    std::erase_if(dags_, [id](const auto& entry) { return entry.second.row.id == id; });
  }
  std::optional<store::DagRecord> DagById(DagId id) {
    MutexLock lock(&mu_);
    for (const auto& [key, dag] : dags_) {
      if (dag.row.id == id) return dag;
    }
    return std::nullopt;
  }
  void PutRun(const core::RunRow& row) {
    MutexLock lock(&mu_);
    runs_[row.id] = row;
  }
  void PutTask(const store::TaskRecord& task) {
    MutexLock lock(&mu_);
    tasks_[task.row.key] = task;
  }
  void PutAttempt(const store::AttemptView& attempt) {
    MutexLock lock(&mu_);
    attempts_.push_back(attempt);
  }
  // The next `count` reads of a run fail.
  void FailRunReads(int count) {
    MutexLock lock(&mu_);
    failing_run_reads_ = count;
  }
  int reads(const std::string& name) {
    MutexLock lock(&mu_);
    return reads_[name];
  }
  size_t run_count() {
    MutexLock lock(&mu_);
    return runs_.size();
  }

  absl::StatusOr<std::vector<store::NamespaceRecord>> ListNamespaces() override {
    MutexLock lock(&mu_);
    std::vector<store::NamespaceRecord> all;
    for (const auto& [name, ns] : namespaces_) all.push_back(ns);
    return all;
  }
  absl::StatusOr<store::NamespaceRecord> FindNamespace(std::string_view name) override {
    MutexLock lock(&mu_);
    ++reads_["FindNamespace"];
    const auto it = namespaces_.find(std::string(name));
    if (it == namespaces_.end()) return absl::NotFoundError("no namespace");
    return it->second;
  }
  absl::StatusOr<store::NamespaceRecord> CreateNamespace(std::string_view name,
                                                         std::optional<std::string> share,
                                                         int32_t weight) override {
    if (FindNamespace(name).ok()) return absl::AlreadyExistsError("exists");
    DomainId domain(100);
    if (share.has_value()) domain = FindNamespace(*share)->domain;
    AddNamespace(std::string(name), domain);
    MutexLock lock(&mu_);
    namespaces_[std::string(name)].weight = weight;
    return namespaces_[std::string(name)];
  }
  absl::StatusOr<store::VersionRecord> PutVersion(NamespaceId ns, std::string_view dag,
                                                  std::string_view hash,
                                                  std::string_view canonical_json,
                                                  std::string_view bundle_hash,
                                                  int32_t task_count) override {
    MutexLock lock(&mu_);
    store::VersionRecord version;
    version.id = VersionId(static_cast<int64_t>(versions_.size()) + 1);
    version.ns = ns;
    version.namespace_name = "default";
    version.dag = dag;
    version.number = static_cast<int32_t>(version.id.value());
    version.hash = hash;
    version.canonical_json = canonical_json;
    version.bundle_hash = bundle_hash;
    version.task_count = task_count;
    versions_[version.id] = version;
    return version;
  }
  absl::StatusOr<store::VersionRecord> GetVersion(VersionId id) override {
    MutexLock lock(&mu_);
    ++reads_["GetVersion"];
    const auto it = versions_.find(id);
    if (it == versions_.end()) return absl::NotFoundError("no version");
    return it->second;
  }
  absl::Status PutBundle(std::string_view hash, std::string_view bytes) override {
    MutexLock lock(&mu_);
    bundles_[std::string(hash)] = bytes;
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> GetBundle(std::string_view hash) override {
    MutexLock lock(&mu_);
    const auto it = bundles_.find(std::string(hash));
    if (it == bundles_.end()) return absl::NotFoundError("no bundle");
    return it->second;
  }
  absl::StatusOr<store::DagRecord> FindDag(NamespaceId ns, std::string_view name) override {
    MutexLock lock(&mu_);
    ++reads_["FindDag"];
    const auto it = dags_.find({ns, std::string(name)});
    if (it == dags_.end()) return absl::NotFoundError("no dag");
    return it->second;
  }
  absl::StatusOr<std::vector<store::DagRecord>> ListDags(NamespaceId ns, std::string_view prefix,
                                                         std::string_view after,
                                                         int limit) override {
    MutexLock lock(&mu_);
    std::vector<store::DagRecord> found;
    for (const auto& [key, dag] : dags_) {
      if (key.first != ns || !key.second.starts_with(prefix) || key.second <= after) continue;
      if (static_cast<int>(found.size()) < limit) found.push_back(dag);
    }
    return found;
  }
  absl::StatusOr<DagId> NewDagId() override {
    MutexLock lock(&mu_);
    return DagId(++next_dag_);
  }
  absl::StatusOr<store::RunRecord> GetRun(RunId id) override {
    MutexLock lock(&mu_);
    ++reads_["GetRun"];
    if (failing_run_reads_ > 0) {
      --failing_run_reads_;
      return absl::UnavailableError("gone");
    }
    const auto it = runs_.find(id);
    if (it == runs_.end()) return absl::NotFoundError("no run");
    return Record(it->second);
  }
  absl::StatusOr<store::RunRecord> FindRunByKey(NamespaceId ns, std::string_view dag,
                                                std::string_view key) override {
    MutexLock lock(&mu_);
    for (const auto& [id, row] : runs_) {
      store::RunRecord record = Record(row);
      if (record.ns == ns && record.dag_name == dag && row.key == key) return record;
    }
    return absl::NotFoundError("no run");
  }
  absl::StatusOr<std::vector<std::optional<store::RunRecord>>> FindDuplicates(
      const std::vector<store::RunIdentity>& identities) override {
    MutexLock lock(&mu_);
    ++reads_["FindDuplicates"];
    std::vector<std::optional<store::RunRecord>> found;
    for (const store::RunIdentity& wanted : identities) {
      const auto it = std::find_if(runs_.begin(), runs_.end(), [&](const auto& entry) {
        const core::RunRow& row = entry.second;
        return row.dag == wanted.dag &&
               ((!wanted.idempotency_key.empty() &&
                 row.idempotency_key == wanted.idempotency_key) ||
                (!wanted.run_key.empty() && row.key == wanted.run_key) ||
                (wanted.logical_date_us != 0 && row.logical_date_us == wanted.logical_date_us));
      });
      found.push_back(it == runs_.end() ? std::nullopt : std::optional(Record(it->second)));
    }
    return found;
  }
  absl::StatusOr<std::vector<store::RunRecord>> ListRuns(NamespaceId ns,
                                                         const store::RunFilter& filter) override {
    MutexLock lock(&mu_);
    std::vector<store::RunRecord> found;
    for (auto it = runs_.rbegin(); it != runs_.rend(); ++it) {
      const store::RunRecord record = Record(it->second);
      if (record.ns != ns || (filter.before && !(it->first < filter.before))) continue;
      if (static_cast<int>(found.size()) < filter.limit) found.push_back(record);
    }
    return found;
  }
  absl::StatusOr<std::vector<store::TaskRecord>> ListTasks(
      RunId run, std::optional<std::pair<int32_t, int32_t>> after, int limit) override {
    MutexLock lock(&mu_);
    std::vector<store::TaskRecord> found;
    for (const auto& [key, task] : tasks_) {
      if (key.run != run) continue;
      if (after.has_value() && std::make_pair(key.task, key.map) <= *after) continue;
      if (static_cast<int>(found.size()) < limit) found.push_back(task);
    }
    return found;
  }
  absl::StatusOr<std::optional<store::TaskRecord>> GetTask(const core::TaskKey& key) override {
    MutexLock lock(&mu_);
    const auto it = tasks_.find(key);
    if (it == tasks_.end()) return std::optional<store::TaskRecord>();
    return std::optional(it->second);
  }
  absl::StatusOr<std::vector<store::AttemptView>> ListAttempts(const core::TaskKey& key) override {
    MutexLock lock(&mu_);
    std::vector<store::AttemptView> found;
    for (const store::AttemptView& attempt : attempts_) {
      if (attempt.row.key == key) found.push_back(attempt);
    }
    return found;
  }
  absl::StatusOr<std::string> GetOutput(const core::TaskKey&) override {
    return std::string(R"({"rows":3})");
  }
  absl::StatusOr<std::vector<std::string>> GetOutputs(
      const std::vector<core::TaskKey>& keys) override {
    return std::vector<std::string>(keys.size());
  }
  absl::StatusOr<std::vector<core::PoolRow>> ListPools(DomainId) override {
    return std::vector<core::PoolRow>();
  }
  absl::StatusOr<std::vector<store::InboxRow>> ReadInbox(DomainId, int) override {
    return std::vector<store::InboxRow>();
  }

 private:
  store::RunRecord Record(const core::RunRow& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    store::RunRecord record;
    record.row = row;
    for (const auto& [key, dag] : dags_) {
      if (dag.row.id != row.dag) continue;
      record.dag_name = dag.row.name;
      record.ns = dag.row.ns;
    }
    const auto version = versions_.find(row.version);
    if (version != versions_.end()) record.version_number = version->second.number;
    return record;
  }

  Mutex mu_;
  int failing_run_reads_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, int> reads_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, store::NamespaceRecord> namespaces_ ABSL_GUARDED_BY(mu_);
  std::map<VersionId, store::VersionRecord> versions_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> bundles_ ABSL_GUARDED_BY(mu_);
  std::map<std::pair<NamespaceId, std::string>, store::DagRecord> dags_ ABSL_GUARDED_BY(mu_);
  std::map<RunId, core::RunRow> runs_ ABSL_GUARDED_BY(mu_);
  std::map<core::TaskKey, store::TaskRecord> tasks_ ABSL_GUARDED_BY(mu_);
  std::vector<store::AttemptView> attempts_ ABSL_GUARDED_BY(mu_);
  int64_t next_dag_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace penstock::api::testing
