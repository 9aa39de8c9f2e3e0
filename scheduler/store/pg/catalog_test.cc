// Versions, bundles, lists and their cursors.
#include "scheduler/store/pg/catalog.h"

#include "gmock/gmock.h"
#include "scheduler/store/pg/pg_test_base.h"

namespace penstock::pg {
namespace {

using core::FlushBatch;
using core::RunState;
using core::TaskState;
using ::testing::ElementsAre;

constexpr SessionId kSession(41);

class CatalogTest : public PgTest {
 protected:
  CatalogTest() : ns_(NewNamespace("team")), owner_(*database_, ns_.domain) {}

  std::vector<std::string> DagNames(const std::string& prefix, const std::string& after,
                                    int limit) {
    std::vector<std::string> names;
    const auto dags = catalog_.ListDags(ns_.id, prefix, after, limit);
    for (const auto& dag : *dags) {
      names.push_back(dag.row.name);
    }
    return names;
  }
  std::vector<std::string> RunKeys(const store::RunFilter& filter) {
    std::vector<std::string> keys;
    const auto runs = catalog_.ListRuns(ns_.id, filter);
    for (const auto& run : *runs) keys.push_back(run.row.key);
    return keys;
  }
  core::DagRow AddDag(const std::string& name) {
    FlushBatch batch;
    batch.dags.push_back({NewDag(ns_, name), false});
    owner_.MustFlush(batch);
    return batch.dags[0].dag;
  }
  core::RunRow AddRun(const core::DagRow& dag, const std::string& key, RunState state) {
    FlushBatch batch;
    batch.new_runs.push_back(owner_.NewRun(dag, key));
    batch.new_runs[0].state = state;
    owner_.MustFlush(batch);
    return batch.new_runs[0];
  }

  const store::NamespaceRecord ns_;
  Owner owner_;
};

TEST_F(CatalogTest, NamespacesHaveTheirOwnDomainOrShareOne) {
  const auto own = NewNamespace("other");
  EXPECT_NE(own.domain, ns_.domain);
  const auto shared = catalog_.CreateNamespace("shared", "team", 7);
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(shared->domain, ns_.domain);
  EXPECT_EQ(shared->weight, 7);
  EXPECT_GT(shared->created_us, 1'500'000'000'000'000);
  EXPECT_EQ(catalog_.CreateNamespace("team", std::nullopt, 1).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(catalog_.CreateNamespace("x", "nobody", 1).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog_.FindNamespace("nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog_.FindNamespace("shared")->id, shared->id);
  EXPECT_EQ(catalog_.ListNamespaces()->size(), 3U);
  EXPECT_EQ(SqlInt("select count(*) from penstock.domain"), 2);
  EXPECT_EQ(owner_.Reload().facts.namespaces.size(), 2U);
}

TEST_F(CatalogTest, ListsTheLiveRuns) {
  const core::DagRow a = AddDag("a"), b = AddDag("b");
  AddRun(a, "1", RunState::kRunning);
  AddRun(b, "2", RunState::kQueued);
  const RunId third = AddRun(a, "3", RunState::kSuccess).id;
  AddRun(a, "4", RunState::kQueued);
  AddRun(b, "5", RunState::kRunning);
  store::RunFilter filter;
  filter.states = {RunState::kQueued, RunState::kRunning};
  EXPECT_THAT(RunKeys(filter), ElementsAre("5", "4", "2", "1"));
  filter.limit = 2;
  EXPECT_THAT(RunKeys(filter), ElementsAre("5", "4"));
  filter.before = third;
  EXPECT_THAT(RunKeys(filter), ElementsAre("2", "1"));
  filter.dag = "a";
  EXPECT_THAT(RunKeys(filter), ElementsAre("1"));
  filter = {};
  filter.states = {RunState::kQueued};
  EXPECT_THAT(RunKeys(filter), ElementsAre("4", "2"));
}

TEST_F(CatalogTest, TheSameHashIsTheSameVersion) {
  const auto first = catalog_.PutVersion(ns_.id, "d", "h1", R"({"description":"Dü"})", "b", 3);
  const auto again = catalog_.PutVersion(ns_.id, "d", "h1", "ignored", "", 9);
  const auto second = catalog_.PutVersion(ns_.id, "d", "h2", "not json", "", 3);
  const auto other = catalog_.PutVersion(ns_.id, "e", "h1", "{}", "", 3);
  ASSERT_TRUE(first.ok() && again.ok() && second.ok() && other.ok());
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(again->canonical_json, R"({"description":"Dü"})");
  EXPECT_EQ(second->number, 2);
  EXPECT_EQ(other->number, 1);
  EXPECT_EQ(catalog_.GetVersion(second->id)->canonical_json, "not json");
  EXPECT_EQ(catalog_.GetVersion(first->id)->namespace_name, "team");
  EXPECT_EQ(catalog_.GetVersion(VersionId(999)).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CatalogTest, BundlesAreBytes) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes.push_back(static_cast<char>(i * 7));
  ASSERT_TRUE(catalog_.PutBundle("hash", bytes).ok());
  ASSERT_TRUE(catalog_.PutBundle("hash", bytes).ok());
  EXPECT_EQ(*catalog_.GetBundle("hash"), bytes);
  ASSERT_TRUE(catalog_.PutBundle("empty", "").ok());
  EXPECT_EQ(*catalog_.GetBundle("empty"), "");
  EXPECT_EQ(catalog_.GetBundle("none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CatalogTest, DagsAreListedByNameInPages) {
  for (const char* name : {"b_2", "a", "b_1", "b%x", "B", "b_3"}) AddDag(name);
  EXPECT_THAT(DagNames("", "", 100), ElementsAre("B", "a", "b%x", "b_1", "b_2", "b_3"));
  EXPECT_THAT(DagNames("", "", 2), ElementsAre("B", "a"));
  EXPECT_THAT(DagNames("", "a", 2), ElementsAre("b%x", "b_1"));
  EXPECT_THAT(DagNames("b_", "b_1", 9), ElementsAre("b_2", "b_3"));
  EXPECT_THAT(DagNames("c", "", 9), ElementsAre());
  const auto dag = catalog_.FindDag(ns_.id, "b%x");
  ASSERT_TRUE(dag.ok());
  EXPECT_EQ(dag->description, "a test");
  EXPECT_EQ(dag->version_number, 1);
  EXPECT_EQ(dag->version_hash, "hash of b%x");
  EXPECT_EQ(dag->task_count, 2);
  EXPECT_EQ(catalog_.FindDag(ns_.id, "none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CatalogTest, RunsAreListedNewestFirstInPages) {
  const auto a = AddDag("a");
  const auto b = AddDag("b");
  AddRun(a, "1", RunState::kSuccess);
  AddRun(b, "2", RunState::kFailed);
  const auto third = AddRun(a, "3", RunState::kRunning);
  AddRun(b, "4", RunState::kQueued);
  store::RunFilter filter;
  EXPECT_THAT(RunKeys(filter), ElementsAre("4", "3", "2", "1"));
  filter.limit = 2;
  filter.before = third.id;
  EXPECT_THAT(RunKeys(filter), ElementsAre("2", "1"));
  filter = {};
  filter.dag = "a";
  EXPECT_THAT(RunKeys(filter), ElementsAre("3", "1"));
  filter.states = {RunState::kRunning, RunState::kQueued};
  EXPECT_THAT(RunKeys(filter), ElementsAre("3"));
  filter.dag.reset();
  EXPECT_THAT(RunKeys(filter), ElementsAre("4", "3"));
  EXPECT_EQ(catalog_.GetRun(third.id)->dag_name, "a");
  EXPECT_EQ(catalog_.GetRun(third.id)->version_number, 1);
  EXPECT_EQ(catalog_.GetRun(RunId(5)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(catalog_.FindRunByKey(ns_.id, "a", "3")->row.id, third.id);
  EXPECT_EQ(catalog_.FindRunByKey(ns_.id, "b", "3").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CatalogTest, DuplicatesAreFoundByAnyIdentity) {
  const auto dag = AddDag("a");
  FlushBatch batch;
  batch.new_runs = {owner_.NewRun(dag, "k1"), owner_.NewRun(dag, "k2")};
  batch.new_runs[0].idempotency_key = "i1";
  batch.new_runs[1].logical_date_us = 55;
  owner_.MustFlush(batch);
  const auto find = [&](const char* idempotency, const char* key, int64_t date) {
    const auto runs = catalog_.FindDuplicates({{dag.id, idempotency, key, date}});
    return runs->front().has_value() ? runs->front()->row.key : std::string("none");
  };
  EXPECT_EQ(find("i1", "k2", 55), "k1");
  EXPECT_EQ(find("other", "k2", 55), "k2");
  EXPECT_EQ(find("", "", 55), "k2");
  EXPECT_EQ(find("", "", 0), "none");
  EXPECT_EQ(find("k1", "i1", 1), "none");

  const auto many = catalog_.FindDuplicates({{dag.id, "", "k2", 0},
                                             {dag.id, "", "{k1", 0},
                                             {DagId(dag.id.value() + 1), "i1", "", 0},
                                             {dag.id, "i1", "", 0}});
  ASSERT_EQ(many->size(), 4U);
  EXPECT_EQ((*many)[0]->row.key, "k2");
  EXPECT_EQ((*many)[1], std::nullopt);
  EXPECT_EQ((*many)[2], std::nullopt);
  EXPECT_EQ((*many)[3]->dag_name, "a");
}

TEST_F(CatalogTest, TasksAreListedInPagesWithWorkerAndError) {
  const auto run = AddRun(AddDag("a"), "1", RunState::kRunning);
  FlushBatch batch;
  batch.sessions = {MakeSession(kSession.value(), "w1")};
  for (int task = 0; task < 2; ++task) {
    for (int map = -1; map < 2; ++map) {
      batch.dispatches.push_back(MakeDispatch({run.id, task, map}, 1, kSession));
    }
  }
  owner_.MustFlush(batch);
  batch = {};
  batch.completions = {MakeSuccess({run.id, 1, 0}, 1, kSession)};
  batch.completions[0].row.state = TaskState::kFailed;
  batch.outputs = {{{run.id, 1, 0}, 1, "", "it broke"}};
  owner_.MustFlush(batch);
  const auto all = catalog_.ListTasks(run.id, std::nullopt, 100);
  ASSERT_EQ(all->size(), 6U);
  EXPECT_EQ(all->at(0).worker, "w1");
  EXPECT_EQ(all->at(4).error, "it broke");
  const auto page = catalog_.ListTasks(run.id, std::pair(0, 1), 2);
  ASSERT_EQ(page->size(), 2U);
  EXPECT_EQ(page->at(0).row.key, (core::TaskKey{run.id, 1, -1}));
  EXPECT_EQ(page->at(1).row.key, (core::TaskKey{run.id, 1, 0}));
  EXPECT_EQ(catalog_.GetTask({run.id, 1, 0})->value().error, "it broke");
  EXPECT_FALSE(catalog_.GetTask({run.id, 0, 2})->has_value()) << "others come behind it";
  EXPECT_FALSE(catalog_.GetTask({run.id, 9, -1})->has_value());
}

TEST_F(CatalogTest, AttemptsAndOutputsFollowTheLatestState) {
  const auto run = AddRun(AddDag("a"), "1", RunState::kRunning);
  const core::TaskKey key{run.id, 0, -1};
  for (int attempt = 1; attempt <= 3; ++attempt) {
    FlushBatch start;
    start.dispatches = {MakeDispatch(key, attempt, kSession)};
    owner_.MustFlush(start);
    FlushBatch end;
    end.completions = {MakeSuccess(key, attempt, kSession)};
    if (attempt < 3) {
      end.completions[0].row.state = TaskState::kUpForRetry;
      core::TaskRow record = end.completions[0].row;
      record.state = TaskState::kFailed;
      end.attempts = {{record, attempt == 1, "error " + std::to_string(attempt)}};
    } else {
      end.outputs = {{key, attempt, R"({"x":3})", ""}};
    }
    owner_.MustFlush(end);
    EXPECT_EQ(catalog_.ListAttempts(key)->size(), static_cast<size_t>(attempt));
  }
  const auto attempts = *catalog_.ListAttempts(key);
  EXPECT_TRUE(attempts[0].charged);
  EXPECT_FALSE(attempts[1].charged);
  EXPECT_EQ(attempts[1].error, "error 2");
  EXPECT_EQ(attempts[2].row.state, TaskState::kSuccess);
  EXPECT_EQ(*catalog_.GetOutput(key), R"({"x":3})");
  // Cleared, and succeeded again without an output: the old one is not its output any more.
  FlushBatch clear;
  clear.decisions = {{key, TaskState::kWaiting, 3, 0, 0, core::Cause::kNone, 0}};
  clear.dispatches = {MakeDispatch(key, 4, kSession)};
  owner_.MustFlush(clear);
  EXPECT_EQ(*catalog_.GetOutput(key), R"({"x":3})");
  FlushBatch end;
  end.completions = {MakeSuccess(key, 4, kSession)};
  owner_.MustFlush(end);
  EXPECT_EQ(*catalog_.GetOutput(key), "");
  EXPECT_THAT(*catalog_.GetOutputs({{run.id, 5, -1}, key, {run.id, 0, 3}}),
              ElementsAre("", "", ""));
  EXPECT_THAT(*catalog_.GetOutputs({}), ElementsAre());
}

TEST_F(CatalogTest, AFinishedRunIsLoadedAgainWithItsDag) {
  const auto dag = AddDag("a");
  const auto run = AddRun(dag, "1", RunState::kSuccess);
  FlushBatch batch;
  batch.decisions = {{{run.id, 0, -1}, TaskState::kSuccess, 0, 0, 0, core::Cause::kNone, 4}};
  batch.dags = {{dag, true}};
  owner_.MustFlush(batch);
  const auto facts = owner_.store.LoadRun(run.id);
  ASSERT_TRUE(facts.ok());
  ASSERT_EQ(facts->runs.size(), 1U);
  EXPECT_EQ(facts->tasks.size(), 1U);
  ASSERT_EQ(facts->dags.size(), 1U);
  EXPECT_EQ(facts->dags[0].name, "a");
  EXPECT_EQ(owner_.Reload().facts.dags.size(), 0U);
  const auto other = NewNamespace("other");
  EXPECT_EQ(PgDomainStore(*database_, other.domain).LoadRun(run.id).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace penstock::pg
