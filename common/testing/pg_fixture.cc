#include "common/testing/pg_fixture.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <pqxx/pqxx>
#include <stdexcept>

#include "common/base/random.h"
#include "common/base/status.h"
#include "common/testing/pg_cluster.h"

namespace penstock::testing {
namespace {

constexpr int kFirstWithStrategy = 150000;

uint64_t Hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

std::string NewName() { return fmt::format("test_{}_{:x}", getpid(), RandomId()); }

void CreateDatabase(pqxx::connection& connection, const std::string& name,
                    const std::string& source) {
  // Copying the files is twice as fast as logging every page.
  const bool copy = connection.server_version() >= kFirstWithStrategy;
  pqxx::nontransaction(connection)
      .exec(fmt::format("create database {} template {}{}", name, source,
                        copy ? " strategy file_copy" : ""));
}

bool Exists(pqxx::connection& connection, const std::string& name) {
  pqxx::nontransaction query(connection);
  return !query.exec("select from pg_database where datname = " + query.quote(name)).empty();
}

// Under a lock of the whole cluster; the template gets its name only when it is complete.
void EnsureTemplate(pqxx::connection& connection, const std::string& name,
                    const TestDatabase::Setup& setup) {
  pqxx::nontransaction(connection)
      .exec(fmt::format("select pg_advisory_lock({})", static_cast<int64_t>(Hash(name))));
  if (!Exists(connection, name)) {
    const std::string fresh = NewName();
    CreateDatabase(connection, fresh, "template0");
    const absl::Status status = setup(SharedClusterDsn(fresh));
    if (!status.ok()) throw std::runtime_error("schema setup: " + std::string(Message(status)));
    pqxx::nontransaction(connection)
        .exec(fmt::format("alter database {} rename to {}", fresh, name));
  }
  pqxx::nontransaction(connection)
      .exec(fmt::format("select pg_advisory_unlock({})", static_cast<int64_t>(Hash(name))));
}

std::string CreateFrom(std::string_view schema_key, const TestDatabase::Setup& setup) {
  pqxx::connection connection(TestDatabase::ClusterDsn());
  const std::string source = fmt::format("template_{:016x}", Hash(schema_key));
  EnsureTemplate(connection, source, setup);
  std::string name = NewName();
  CreateDatabase(connection, name, source);
  return name;
}

std::string CreateEmpty() {
  pqxx::connection connection(TestDatabase::ClusterDsn());
  std::string name = NewName();
  CreateDatabase(connection, name, "template0");
  return name;
}

}  // namespace

TestDatabase::TestDatabase() : name_(CreateEmpty()) {}

TestDatabase::TestDatabase(std::string_view schema_key, const Setup& setup)
    : name_(CreateFrom(schema_key, setup)) {}

TestDatabase::~TestDatabase() {
  try {
    pqxx::connection connection(ClusterDsn());
    pqxx::nontransaction(connection).exec("drop database if exists " + name_ + " with (force)");
  } catch (const std::exception& error) {
    // The cluster may have been the test's victim; its directory goes as a whole.
    std::fprintf(stderr, "database %s stays: %s\n", name_.c_str(), error.what());
  }
}

std::string TestDatabase::dsn() const { return SharedClusterDsn(name_); }

std::string TestDatabase::ClusterDsn() { return SharedClusterDsn("postgres"); }

}  // namespace penstock::testing
