#pragma once
// A database of its own for each test, in milliseconds: a copy of a template that is made once.
//
//   class FlushTest : public ::testing::Test {
//    protected:
//     TestDatabase database_{kSchemaKey, [](const std::string& dsn) { return Migrate(dsn); }};
//   };
//
// Give such tests `LABELS pg` (penstock_test) and DEPS penstock_common_testing_pg.
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace penstock::testing {

// Not thread-safe. Throws std::exception when the cluster or `setup` fails, which ends the test.
class TestDatabase {
 public:
  // Fills the empty database behind a connection string with a schema. It must close its
  // connections before it returns.
  using Setup = std::function<absl::Status(const std::string& dsn)>;

  TestDatabase();  // an empty database
  // `schema_key` names what `setup` makes; a hash or the text of the migrations, say. Setup runs
  // once per key and cluster, even when several processes ask at the same time.
  TestDatabase(std::string_view schema_key, const Setup& setup);
  // Drops the database, whoever is still connected.
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  const std::string& name() const { return name_; }
  std::string dsn() const;
  // For a second session that looks from outside: the cluster's own database.
  static std::string ClusterDsn();

 private:
  const std::string name_;
};

}  // namespace penstock::testing
