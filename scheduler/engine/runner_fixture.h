#pragma once
// A DomainRunner around a store of memory that answers as it is told to.
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/dag/spec.h"
#include "common/service/executor.h"
#include "common/testing/test_signal.h"
#include "scheduler/engine/domain_runner.h"

namespace penstock::engine {

// Knows versions and inboxes, and nothing else.
class FakeCatalog : public store::Catalog {
 public:
  using Unknown = absl::Status;
  static Unknown No() { return absl::UnimplementedError("not in this test"); }

  absl::StatusOr<std::vector<store::NamespaceRecord>> ListNamespaces() override { return No(); }
  absl::StatusOr<store::NamespaceRecord> FindNamespace(std::string_view) override { return No(); }
  absl::StatusOr<store::NamespaceRecord> CreateNamespace(std::string_view,
                                                         std::optional<std::string>,
                                                         int32_t) override {
    return No();
  }
  absl::StatusOr<store::VersionRecord> PutVersion(NamespaceId, std::string_view, std::string_view,
                                                  std::string_view, std::string_view,
                                                  int32_t) override {
    return No();
  }
  absl::StatusOr<store::VersionRecord> GetVersion(VersionId id) override {
    MutexLock lock(&mu_);
    if (!version_failures_.empty()) {
      const absl::Status status = version_failures_.front();
      version_failures_.pop_front();
      return status;
    }
    store::VersionRecord record;
    record.id = id;
    record.canonical_json = canonical_;
    return record;
  }
  absl::Status PutBundle(std::string_view, std::string_view) override { return No(); }
  absl::StatusOr<std::string> GetBundle(std::string_view) override { return No(); }
  absl::StatusOr<store::DagRecord> FindDag(NamespaceId, std::string_view) override { return No(); }
  absl::StatusOr<std::vector<store::DagRecord>> ListDags(NamespaceId, std::string_view,
                                                         std::string_view, int) override {
    return No();
  }
  absl::StatusOr<DagId> NewDagId() override { return No(); }
  absl::StatusOr<store::RunRecord> GetRun(RunId) override { return No(); }
  absl::StatusOr<store::RunRecord> FindRunByKey(NamespaceId, std::string_view,
                                                std::string_view) override {
    return No();
  }
  absl::StatusOr<std::vector<std::optional<store::RunRecord>>> FindDuplicates(
      const std::vector<store::RunIdentity>&) override {
    return No();
  }
  absl::StatusOr<std::vector<store::RunRecord>> ListRuns(NamespaceId,
                                                         const store::RunFilter&) override {
    return No();
  }
  absl::StatusOr<std::vector<store::TaskRecord>> ListTasks(
      RunId, std::optional<std::pair<int32_t, int32_t>>, int) override {
    return No();
  }
  absl::StatusOr<std::optional<store::TaskRecord>> GetTask(const core::TaskKey&) override {
    return No();
  }
  absl::StatusOr<std::vector<store::AttemptView>> ListAttempts(const core::TaskKey&) override {
    return No();
  }
  absl::StatusOr<std::string> GetOutput(const core::TaskKey&) override { return No(); }
  absl::StatusOr<std::vector<std::string>> GetOutputs(const std::vector<core::TaskKey>&) override {
    return No();
  }
  absl::StatusOr<std::vector<core::PoolRow>> ListPools(DomainId) override { return No(); }
  absl::StatusOr<std::vector<store::InboxRow>> ReadInbox(DomainId, int) override {
    MutexLock lock(&mu_);
    return inbox_;
  }

  void SetVersion(const dag::DagSpec& spec) { canonical_ = dag::CanonicalJson(spec); }
  void FailVersions(std::deque<absl::Status> failures) {
    MutexLock lock(&mu_);
    version_failures_ = std::move(failures);
  }
  void AddInbox(int64_t id) {
    MutexLock lock(&mu_);
    inbox_.push_back({id, "CreateRun", "{}"});
  }
  void DropInbox(int64_t id) {
    MutexLock lock(&mu_);
    std::erase_if(inbox_, [&](const auto& row) { return row.id == id; });
  }

 private:
  std::string canonical_;
  Mutex mu_;
  std::deque<absl::Status> version_failures_ ABSL_GUARDED_BY(mu_);
  std::vector<store::InboxRow> inbox_ ABSL_GUARDED_BY(mu_);
};

// The database of one domain, as far as the runner can tell. Thread-safe.
class FakeDatabase {
 public:
  // What becomes of a flush: the answer, and whether it is written.
  struct Plan {
    core::FlushVerdict verdict = core::FlushVerdict::kCommitted;
    bool written = true;
    RunId culprit;
  };

  explicit FakeDatabase(FakeCatalog& catalog) : catalog_(catalog) {
    facts_.domain = DomainId(1);
    facts_.namespaces.push_back({NamespaceId(1), "default", 1});
    facts_.dags.push_back({DagId(1), NamespaceId(1), "d", false, VersionId(1), 16});
  }

  // The next flushes go like this; later ones are committed.
  void PlanFlushes(std::deque<Plan> plans) {
    MutexLock lock(&mu_);
    plans_ = std::move(plans);
  }
  // The next loads (takeovers too) fail like this; later ones succeed.
  void PlanLoads(std::deque<absl::Status> failures) {
    MutexLock lock(&mu_);
    load_failures_ = std::move(failures);
  }
  // Flushes wait until Release.
  void Hold() {
    MutexLock lock(&mu_);
    held_ = true;
  }
  void Go() {
    MutexLock lock(&mu_);
    held_ = false;
    released_.SignalAll();
  }
  int flushes_with(RunId run) {
    MutexLock lock(&mu_);
    int count = 0;
    for (const core::FlushBatch& batch : written_) {
      for (const core::RunRow& row : batch.new_runs) count += row.id == run;
    }
    return count;
  }
  size_t runs() {
    MutexLock lock(&mu_);
    return facts_.runs.size();
  }
  std::vector<int64_t> consumed() {
    MutexLock lock(&mu_);
    std::vector<int64_t> ids;
    for (const core::FlushBatch& batch : written_) {
      ids.insert(ids.end(), batch.inbox_done.begin(), batch.inbox_done.end());
    }
    return ids;
  }
  SchedulerId owner() {
    MutexLock lock(&mu_);
    return owner_;
  }

  absl::StatusOr<core::LoadResult> Load(std::optional<SchedulerId> self, Epoch epoch,
                                        FlushSeq in_doubt, bool counts) {
    MutexLock lock(&mu_);
    signal.Announce("load");
    if (!load_failures_.empty()) {
      const absl::Status status = load_failures_.front();
      load_failures_.pop_front();
      return status;
    }
    if (epoch != facts_.epoch) return absl::AbortedError("another owner");
    if (self) {
      facts_.epoch = Epoch(facts_.epoch.value() + 1);
      owner_ = *self;
    }
    core::LoadResult result;
    if (in_doubt) result.in_doubt_committed = in_doubt == facts_.flush_seq;
    facts_.flush_seq = FlushSeq(facts_.flush_seq.value() + 1);
    facts_.loads_without_progress += counts ? 1 : 0;
    result.facts = facts_;
    return result;
  }

  core::FlushResult Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) {
    MutexLock lock(&mu_);
    signal.Announce("flush");
    while (held_) released_.Wait(&mu_);
    Plan plan;
    if (!plans_.empty()) {
      plan = plans_.front();
      plans_.pop_front();
    }
    if (epoch != facts_.epoch || seq.value() != facts_.flush_seq.value() + 1) {
      return {core::FlushVerdict::kFenced, absl::AbortedError("fenced"), RunId()};
    }
    if (plan.written) Write(seq, batch);
    const bool well = plan.verdict == core::FlushVerdict::kCommitted;
    return {plan.verdict, well ? absl::OkStatus() : absl::UnavailableError("as planned"),
            plan.culprit};
  }

  absl::Status Release(Epoch epoch) {
    MutexLock lock(&mu_);
    if (epoch == facts_.epoch) owner_ = SchedulerId();
    signal.Announce("release");
    return absl::OkStatus();
  }

  absl::Status Note(const std::string& suspect) {
    MutexLock lock(&mu_);
    facts_.suspect = suspect;
    return absl::OkStatus();
  }

  store::IdBlock TakeIds(int64_t count) {
    MutexLock lock(&mu_);
    const RunId first(next_id_);
    next_id_ += count;
    return {first, count};
  }

  testing::TestSignal signal;  // "load", "flush", "release"

 private:
  void Write(FlushSeq seq, const core::FlushBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    facts_.flush_seq = seq;
    if (batch.made_progress) facts_.loads_without_progress = 0;
    for (const core::RunRow& run : batch.new_runs) facts_.runs.push_back(run);
    for (const int64_t id : batch.inbox_done) catalog_.DropInbox(id);
    written_.push_back(batch);
  }

  FakeCatalog& catalog_;
  Mutex mu_;
  CondVar released_;
  core::DomainFacts facts_ ABSL_GUARDED_BY(mu_);
  SchedulerId owner_ ABSL_GUARDED_BY(mu_);
  std::deque<Plan> plans_ ABSL_GUARDED_BY(mu_);
  std::deque<absl::Status> load_failures_ ABSL_GUARDED_BY(mu_);
  std::vector<core::FlushBatch> written_ ABSL_GUARDED_BY(mu_);
  int64_t next_id_ ABSL_GUARDED_BY(mu_) = 1000;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
};

class FakeStore : public store::DomainStore {
 public:
  explicit FakeStore(FakeDatabase& database) : database_(database) {}
  absl::StatusOr<core::LoadResult> TakeOver(SchedulerId self,
                                            const core::OwnerProtocol::TakeOver& r) override {
    return database_.Load(self, r.seen, FlushSeq(), true);
  }
  absl::StatusOr<core::LoadResult> Reload(const core::OwnerProtocol::Reload& r) override {
    return database_.Load(std::nullopt, r.epoch, r.in_doubt, r.refused);
  }
  core::FlushResult Flush(Epoch epoch, FlushSeq seq, const core::FlushBatch& batch) override {
    return database_.Flush(epoch, seq, batch);
  }
  absl::StatusOr<store::IdBlock> TakeIds(Epoch, int64_t count) override {
    return database_.TakeIds(count);
  }
  absl::Status Note(Epoch, const std::string& suspect) override { return database_.Note(suspect); }
  absl::Status Release(Epoch epoch) override { return database_.Release(epoch); }
  absl::StatusOr<core::DomainFacts> LoadRun(RunId) override { return FakeCatalog::No(); }

 private:
  FakeDatabase& database_;
};

// Every inbox row asks for a run of DAG 1.
class FakeDecoder : public InboxDecoder {
 public:
  absl::StatusOr<core::CommandBody> Decode(const store::InboxRow& row) override {
    if (row.id < 0) return absl::InvalidArgumentError("never");
    core::NewRun run;
    run.dag = DagId(1);
    return core::CreateRuns{{run}};
  }
};

class SilentObserver : public EngineObserver {
 public:
  void Flushed(DomainId, core::FlushVerdict, size_t, absl::Duration) override {}
  void Loaded(DomainId, bool, bool, absl::Duration) override {}
  void Assigned(DomainId, size_t, absl::Duration, absl::Duration) override {}
};

// What a command was answered, once it was.
class Answer {
 public:
  Engine::Done Taker() {
    return [this](core::Reply reply) {
      {
        MutexLock lock(&mu_);
        reply_ = std::move(reply);
      }
      signal_.Announce("reply");
    };
  }
  core::Reply Wait() {
    core::Reply none;
    none.status = absl::DeadlineExceededError("no answer");
    if (!signal_.WaitFor("reply")) return none;
    MutexLock lock(&mu_);
    return reply_;
  }
  int count() const { return signal_.Count("reply"); }

 private:
  testing::TestSignal signal_;
  Mutex mu_;
  core::Reply reply_ ABSL_GUARDED_BY(mu_);
};

}  // namespace penstock::engine
