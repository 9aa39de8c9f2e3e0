#pragma once
// The PostgreSQL cluster that tests share. CTest starts one per run (the fixture penstock_pg, see
// penstock_test) and names a file with its address in PENSTOCK_TEST_PG; a test binary run by hand
// starts one of its own on first use. Clusters live in directories below $TMPDIR that carry the
// identity of the process behind them, so that the next run removes what a killed one left.
//
// fsync and full_page_writes are off in it, synchronous_commit is on. A test that needs durable
// files, other settings or a restart starts a pgserver::PrivateServer of its own.
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/pgserver/private_server.h"

namespace penstock::testing {

// A running cluster and its directory; both end with this object. The server also ends with the
// thread that made it, however that dies. Not thread-safe.
class TestCluster {
 public:
  static absl::StatusOr<std::unique_ptr<TestCluster>> Start();
  ~TestCluster();
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;

  std::string Dsn(std::string_view dbname) const { return server_->Dsn(dbname); }

 private:
  TestCluster(std::filesystem::path dir, std::unique_ptr<pgserver::PrivateServer> server)
      : dir_(std::move(dir)), server_(std::move(server)) {}

  const std::filesystem::path dir_;
  const std::unique_ptr<pgserver::PrivateServer> server_;
};

// A connection string for a database of the cluster that this process uses. The first call may
// start the cluster: make it on the main thread. Ends the process when there is no PostgreSQL.
std::string SharedClusterDsn(std::string_view dbname);

// Ends the servers and removes the directories whose process is gone.
void RemoveAbandonedClusters();

}  // namespace penstock::testing
