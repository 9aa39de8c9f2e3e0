#include "common/testing/pg_cluster.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/process/pid_identity.h"

namespace penstock::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDirPrefix = "penstock-test-pg-";
constexpr const char* kOwnerFile = "owner";
constexpr absl::Duration kStopTimeout = absl::Seconds(20);
constexpr absl::Duration kFreshDir = absl::Minutes(2);

std::string FirstLine(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// A directory that another user can enter, for the server of a root-run test.
absl::StatusOr<fs::path> MakeDir() {
  std::string name = (fs::temp_directory_path() / kDirPrefix).string() + "XXXXXX";
  if (mkdtemp(name.data()) == nullptr || chmod(name.c_str(), 0755) != 0) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "cannot make " + name);
  }
  std::ofstream(fs::path(name) / kOwnerFile)
      << process::ToString(process::Identify(getpid()).value_or(process::PidIdentity{})) << '\n';
  return name;
}

// A directory without an owner's name may be one that is being made right now.
bool Abandoned(const fs::path& dir) {
  struct stat info {};
  if (lstat(dir.c_str(), &info) != 0 || info.st_uid != geteuid() || !S_ISDIR(info.st_mode)) {
    return false;
  }
  const auto owner = process::ParsePidIdentity(FirstLine(dir / kOwnerFile));
  if (owner) return !process::IsAlive(*owner);
  const auto made = absl::FromTimeT(info.st_mtime);
  return RealClock().Wall() - made > kFreshDir;
}

void RemoveCluster(const fs::path& dir) {
  std::error_code error;
  if (pgserver::StopServerAt(dir / "pg", pgserver::StopMode::kImmediate, kStopTimeout).ok()) {
    fs::remove_all(dir, error);
  }
}

// The CTest run's cluster, or one of this process' own.
std::string SharedBase() {
  if (const char* file = std::getenv("PENSTOCK_TEST_PG")) {
    if (std::string base = FirstLine(file); !base.empty()) return base;
  }
  static const auto own = TestCluster::Start();  // one per process, stopped at its exit
  if (own.ok()) return (*own)->Dsn("");
  std::fprintf(stderr, "no PostgreSQL for the tests: %s\n", own.status().ToString().c_str());
  std::abort();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TestCluster>> TestCluster::Start() {
  RemoveAbandonedClusters();
  PENSTOCK_ASSIGN_OR_RETURN(fs::path dir, MakeDir());
  pgserver::PrivateServerOptions options;
  options.dir = dir / "pg";
  options.max_connections = 200;
  options.shared_buffers_mb = 64;
  options.durable = false;
  options.stop_with_parent = true;
  auto server = pgserver::PrivateServer::Start(options);
  if (!server.ok()) {
    RemoveCluster(dir);
    return server.status();
  }
  return std::unique_ptr<TestCluster>(new TestCluster(std::move(dir), *std::move(server)));
}

TestCluster::~TestCluster() {
  if (server_->Stop(pgserver::StopMode::kImmediate, kStopTimeout).ok()) RemoveCluster(dir_);
}

std::string SharedClusterDsn(std::string_view dbname) {
  return fmt::format("{}{}", SharedBase(), dbname);
}

void RemoveAbandonedClusters() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path(error), error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kDirPrefix) && Abandoned(entry.path())) RemoveCluster(entry.path());
  }
}

}  // namespace penstock::testing
