#pragma once
// What the tests of this folder share: a migrated database each, and short ways to make rows.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/pg_fixture.h"
#include "gtest/gtest.h"
#include "pqxx/pqxx"
#include "scheduler/store/pg/catalog.h"
#include "scheduler/store/pg/database.h"
#include "scheduler/store/pg/domain_store.h"

namespace penstock::pg {

// Text of all migrations: names the template that the databases are copied from.
std::string SchemaKey();
absl::Status MigrateForTest(const std::string& dsn);

class PgTest : public ::testing::Test {
 protected:
  PgTest();

  Options TestOptions() const;
  std::unique_ptr<Database> Open(Options options) const;
  // A namespace with a domain of its own.
  store::NamespaceRecord NewNamespace(const std::string& name);
  // A DAG with a version in `ns`, written through a flush of its domain's owner.
  core::DagRow NewDag(const store::NamespaceRecord& ns, const std::string& name);
  // A second way in, without the code under test.
  pqxx::result Sql(const std::string& text) const;
  int64_t SqlInt(const std::string& text) const;

  testing::TestDatabase template_copy_;
  std::unique_ptr<Database> database_;
  PgCatalog catalog_;
};

// The owner of a domain, with the fence's place.
class Owner {
 public:
  // Takes the domain over from `seen`.
  Owner(Database& database, DomainId domain, Epoch seen = Epoch());

  store::FlushResult Flush(const core::FlushBatch& batch);  // counts up when committed
  void MustFlush(const core::FlushBatch& batch);
  // Loads anew; `in_doubt` as in DomainStore.
  core::LoadResult Reload(FlushSeq in_doubt = FlushSeq());
  core::RunRow NewRun(const core::DagRow& dag, const std::string& key);

  PgDomainStore store;
  Epoch epoch;
  FlushSeq seq;
  core::DomainFacts facts;  // of the last load

 private:
  store::IdBlock ids_;
};

core::Dispatch MakeDispatch(core::TaskKey key, int attempt, SessionId session);
core::Completion MakeSuccess(core::TaskKey key, int attempt, SessionId session);
core::SessionInfo MakeSession(int64_t id, const std::string& name);
std::string ToText(const core::TaskRow& row);
std::string ToText(const core::RunRow& row);
std::string ToText(const core::SessionRow& row);
// One line per fact but the fence's place and counters: what two loads are compared by.
std::vector<std::string> ToLines(const core::DomainFacts& facts);

}  // namespace penstock::pg
