#include "common/testing/pg_fixture.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <pqxx/pqxx>

#include "common/base/random.h"
#include "common/testing/pg_cluster.h"

namespace penstock::testing {
namespace {

std::string Ask(const std::string& dsn, const std::string& sql) {
  pqxx::connection connection(dsn);
  const pqxx::result rows = pqxx::nontransaction(connection).exec(sql);
  return rows.empty() ? "none" : rows[0][0].as<std::string>("null");
}

absl::Status Exec(const std::string& dsn, const std::string& sql) {
  pqxx::connection connection(dsn);
  pqxx::nontransaction(connection).exec(sql);
  return absl::OkStatus();
}

std::string FreshKey() { return std::to_string(RandomId()); }

TEST(TestDatabaseTest, EachGetsItsOwnCopyOfTheSchema) {
  const std::string key = FreshKey();
  int setups = 0;
  const auto setup = [&](const std::string& dsn) {
    ++setups;
    return Exec(dsn, "create table t as select 1 as x");
  };
  const TestDatabase first(key, setup);
  const TestDatabase second(key, setup);
  ASSERT_TRUE(Exec(first.dsn(), "update t set x = 2").ok());
  EXPECT_EQ(Ask(second.dsn(), "select x from t"), "1");
  EXPECT_EQ(setups, 1);
}

TEST(TestDatabaseTest, IsGoneAfterwardsEvenWithSomebodyConnected) {
  std::string name;
  std::unique_ptr<pqxx::connection> rude;
  {
    const TestDatabase database;
    name = database.name();
    rude = std::make_unique<pqxx::connection>(database.dsn());
  }
  EXPECT_EQ(Ask(TestDatabase::ClusterDsn(),
                "select count(*) from pg_database where datname = '" + name + "'"),
            "0");
}

TEST(TestDatabaseTest, ProcessesThatAskTogetherSetUpOnce) {
  const std::string key = FreshKey();
  const TestDatabase witness;
  ASSERT_TRUE(Exec(witness.dsn(), "create table setups(pid int)").ok());
  const auto setup = [&](const std::string& dsn) {
    return Exec(witness.dsn(), "insert into setups values (1)").ok() ? Exec(dsn, "create table t()")
                                                                     : absl::InternalError("");
  };
  pid_t children[4];
  for (pid_t& child : children) {
    child = fork();
    if (child != 0) continue;
    { const TestDatabase database(key, setup); }
    _exit(0);
  }
  for (const pid_t child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(Ask(witness.dsn(), "select count(*) from setups"), "1");
}

TEST(TestDatabaseTest, AFailedSetupIsNotKept) {
  const std::string key = FreshKey();
  const auto fail = [](const std::string&) { return absl::InternalError("no"); };
  EXPECT_THROW(TestDatabase(key, fail), std::exception);
  EXPECT_NO_THROW(TestDatabase(key, [](const std::string&) { return absl::OkStatus(); }));
}

TEST(TestClusterTest, TheNextRunRemovesWhatAKilledOneLeft) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto cluster = TestCluster::Start();
    const std::string dsn = cluster.ok() ? (*cluster)->Dsn("postgres") : "";
    [[maybe_unused]] const ssize_t sent = write(ends[1], dsn.data(), dsn.size());
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  char text[4096];
  const ssize_t size = read(ends[0], text, sizeof(text));
  ASSERT_GT(size, 0);
  const std::string dsn(text, static_cast<size_t>(size));
  const std::string host = dsn.substr(5, dsn.find(' ') - 5);
  EXPECT_TRUE(std::filesystem::exists(host));
  RemoveAbandonedClusters();
  EXPECT_FALSE(std::filesystem::exists(host));
}

}  // namespace
}  // namespace penstock::testing
