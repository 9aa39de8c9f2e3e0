#include "scheduler/store/pg/pg_test_base.h"

#include "fmt/format.h"
#include "scheduler/store/pg/migrate.h"
#include "scheduler/store/pg/statements.h"

namespace penstock::pg {

std::string SchemaKey() {
  std::string key;
  const Statements statements("penstock");
  for (const Statement& migration : statements.migrations()) key += migration.text;
  return key;
}

absl::Status MigrateForTest(const std::string& dsn) {
  Options options;
  options.dsn = dsn;
  auto database = Database::Create(options);
  if (!database.ok()) return database.status();
  return Migrate(**database);
}

PgTest::PgTest()
    : template_copy_(SchemaKey(), MigrateForTest),
      database_(Open(TestOptions())),
      catalog_(*database_) {}

Options PgTest::TestOptions() const {
  Options options;
  options.dsn = template_copy_.dsn();
  return options;
}

std::unique_ptr<Database> PgTest::Open(Options options) const {
  return *Database::Create(std::move(options));
}

store::NamespaceRecord PgTest::NewNamespace(const std::string& name) {
  auto record = catalog_.CreateNamespace(name, std::nullopt, 1);
  EXPECT_TRUE(record.ok()) << record.status();
  return *record;
}

core::DagRow PgTest::NewDag(const store::NamespaceRecord& ns, const std::string& name) {
  const auto version =
      catalog_.PutVersion(ns.id, name, "hash of " + name, R"({"description":"a test"})", "", 2);
  EXPECT_TRUE(version.ok()) << version.status();
  return {*catalog_.NewDagId(), ns.id, name, false, version->id, 16};
}

pqxx::result PgTest::Sql(const std::string& text) const {
  pqxx::connection connection(template_copy_.dsn());
  pqxx::nontransaction transaction(connection);
  return transaction.exec(text);
}

int64_t PgTest::SqlInt(const std::string& text) const { return Sql(text)[0][0].as<int64_t>(0); }

Owner::Owner(Database& database, DomainId domain, Epoch seen) : store(database, domain) {
  auto load = store.TakeOver(SchedulerId(seen.value() + 1), {seen});
  EXPECT_TRUE(load.ok()) << load.status();
  if (!load.ok()) return;
  facts = std::move(load->facts);
  epoch = facts.epoch;
  seq = facts.flush_seq;
}

store::FlushResult Owner::Flush(const core::FlushBatch& batch) {
  const FlushSeq next(seq.value() + 1);
  store::FlushResult result = store.Flush(epoch, next, batch);
  if (result.verdict == store::FlushVerdict::kCommitted) seq = next;
  return result;
}

void Owner::MustFlush(const core::FlushBatch& batch) {
  const store::FlushResult result = Flush(batch);
  ASSERT_EQ(result.verdict, store::FlushVerdict::kCommitted) << result.status;
}

core::LoadResult Owner::Reload(FlushSeq in_doubt) {
  auto load = store.Reload({epoch, in_doubt});
  EXPECT_TRUE(load.ok()) << load.status();
  if (!load.ok()) return {};
  facts = load->facts;
  seq = facts.flush_seq;
  return *std::move(load);
}

core::RunRow Owner::NewRun(const core::DagRow& dag, const std::string& key) {
  if (ids_.count == 0) ids_ = *store.TakeIds(epoch, 1000);
  core::RunRow run;
  run.id = ids_.first;
  ids_ = {RunId(ids_.first.value() + 1), ids_.count - 1};
  run.dag = dag.id;
  run.version = dag.version;
  run.key = key;
  run.state = core::RunState::kRunning;
  run.created_us = 1'000;
  return run;
}

core::Dispatch MakeDispatch(core::TaskKey key, int attempt, SessionId session) {
  return {key, attempt, attempt, 0, session};
}

core::Completion MakeSuccess(core::TaskKey key, int attempt, SessionId session) {
  core::TaskRow row;
  row.key = key;
  row.state = core::TaskState::kSuccess;
  row.attempt = attempt;
  row.tries = attempt;
  row.session = session;
  row.started_us = 2'000;
  row.finished_us = 3'000;
  return {row};
}

core::SessionInfo MakeSession(int64_t id, const std::string& name) {
  core::SessionInfo info;
  info.id = SessionId(id);
  info.name = name;
  info.group = "group of " + name;
  info.queues = {"default", "a,b", "c\"d"};
  info.labels = {{"zone", "eu"}, {"odd {}", "\\'\""}};
  info.cpu_millis = 1500;
  info.memory_bytes = 1 << 30;
  info.custom_resources = {{"gpu", 2}};
  info.slots = 4;
  info.started_us = 77;
  info.version = "0.1";
  return info;
}

std::string ToText(const core::TaskRow& row) {
  return fmt::format(
      "task {}/{}/{} {} attempt {} tries {}/{} session {} {}-{} retry {} cause {} "
      "exit {} signal {} rss {} cpu {}",
      row.key.run.value(), row.key.task, row.key.map, ToString(row.state), row.attempt, row.tries,
      row.infra_tries, row.session.value(), row.started_us, row.finished_us, row.retry_at_us,
      static_cast<int>(row.cause), row.exit_code, row.signal, row.peak_rss_kib, row.cpu_ms);
}

std::string ToText(const core::RunRow& row) {
  return fmt::format(
      "run {} of {} v{} key [{}] idem [{}] date {} params [{}] note [{}] {} intent "
      "{} reason [{}] quarantined {} {}-{}-{}",
      row.id.value(), row.dag.value(), row.version.value(), row.key, row.idempotency_key,
      row.logical_date_us, row.params_json, row.note, ToString(row.state),
      static_cast<int>(row.intent), row.reason, row.quarantined, row.created_us, row.started_us,
      row.finished_us);
}

std::string ToText(const core::SessionRow& row) {
  std::string text =
      fmt::format("session {} [{}] [{}] cpu {} memory {} slots {} started {} version [{}] hello {}",
                  row.info.id.value(), row.info.name, row.info.group, row.info.cpu_millis,
                  row.info.memory_bytes, row.info.slots, row.info.started_us, row.info.version,
                  row.hello_epoch.value());
  for (const auto& queue : row.info.queues) text += fmt::format(" queue [{}]", queue);
  for (const auto& [key, value] : row.info.labels) text += fmt::format(" [{}]=[{}]", key, value);
  for (const auto& [key, value] : row.info.custom_resources) {
    text += fmt::format(" [{}]={}", key, value);
  }
  return text;
}

std::vector<std::string> ToLines(const core::DomainFacts& facts) {
  std::vector<std::string> lines;
  for (const auto& n : facts.namespaces) {
    lines.push_back(fmt::format("namespace {} [{}] {}", n.id.value(), n.name, n.weight));
  }
  for (const auto& d : facts.dags) {
    lines.push_back(fmt::format("dag {} in {} [{}] paused {} v{} max {}", d.id.value(),
                                d.ns.value(), d.name, d.paused, d.version.value(),
                                d.max_active_runs));
  }
  for (const auto& p : facts.pools) {
    lines.push_back(fmt::format("pool [{}] {} [{}]", p.name, p.slots, p.description));
  }
  for (const auto& run : facts.runs) lines.push_back(ToText(run));
  for (const auto& task : facts.tasks) lines.push_back(ToText(task));
  for (const auto& session : facts.sessions) lines.push_back(ToText(session));
  return lines;
}

}  // namespace penstock::pg
