#include "common/pgserver/private_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <utility>

#include "common/pgserver/postmaster_file.h"
#include "common/testing/temp_dir.h"

namespace penstock::pgserver {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPatience = absl::Seconds(30);

// A directory of its own for each test; the server is stopped and everything removed at the end.
class PrivateServerTest : public ::testing::Test {
 protected:
  ~PrivateServerTest() override {
    EXPECT_TRUE(StopServerAt(dir_, StopMode::kImmediate, kPatience).ok());
    if (server_ && !SocketDirUsable(server_->placement().root / "socket")) {
      fs::remove_all(server_->placement().socket_dir);
    }
  }
  void Start(const fs::path& dir, bool durable = false) {
    dir_ = dir;
    PrivateServerOptions options;
    options.dir = dir;
    options.shared_buffers_mb = 16;
    options.durable = durable;
    options.stop_with_parent = true;
    options.relocation_root = home_ / "elsewhere";
    auto server = PrivateServer::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Query(const std::string& sql, std::string_view database = "postgres") {
    if (!server_) return "no server";
    auto result = process::RunCommand(ServerProgram({server_->bin_dir() / "psql", "-XqAt", "-d",
                                                     server_->Dsn(database), "-c", sql},
                                                    std::nullopt),
                                      kPatience);
    return result.ok() ? result->output : result.status().ToString();
  }

  // Not in $TMPDIR: a long path would not leave room for a socket's name.
  const testing::TempDir temp_{"pgserver", "/tmp"};
  const fs::path home_ = temp_.path();
  fs::path dir_;
  std::unique_ptr<PrivateServer> server_;
};

TEST_F(PrivateServerTest, StartsServesAndStopsCleanly) {
  Start(home_ / "pg", /*durable=*/true);
  EXPECT_EQ(Query("show fsync"), "on\n");
  EXPECT_EQ(Query("show listen_addresses"), "\n");
  EXPECT_EQ(Query("select pg_encoding_to_char(encoding), datcollate from pg_database "
                  "where datname = 'postgres'"),
            "UTF8|C.UTF-8\n");
  EXPECT_EQ(server_->Poll(), ServerState::kRunning);
  ASSERT_TRUE(server_->Stop(StopMode::kFast, kPatience).ok());
  EXPECT_EQ(server_->Poll(), ServerState::kStopped);
  EXPECT_TRUE(server_->Stop(StopMode::kFast, kPatience).ok());
}

TEST_F(PrivateServerTest, AnotherUserCannotConnect) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Start(home_ / "pg");
  constexpr uid_t kNobody = 65534;
  const auto result = process::RunCommand(
      ServerProgram({server_->bin_dir() / "psql", "-d", server_->Dsn("postgres")},
                    OsUser{kNobody, kNobody, "nobody"}),
      kPatience);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NE(result->exit_code, 0);
  EXPECT_THAT(result->output, ::testing::HasSubstr("Permission denied"));
}

TEST_F(PrivateServerTest, KeepsDataOverARestart) {
  Start(home_ / "pg");
  ASSERT_TRUE(server_->EnsureDatabase("shop").ok());
  ASSERT_TRUE(server_->EnsureDatabase("shop").ok());
  EXPECT_EQ(Query("create table t as select 7 as x", "shop"), "");
  ASSERT_TRUE(server_->Stop(StopMode::kImmediate, kPatience).ok());
  ASSERT_TRUE(server_->Restart().ok());
  EXPECT_EQ(Query("select x from t", "shop"), "7\n");
}

TEST_F(PrivateServerTest, RecoversAfterThePostmasterWasKilled) {
  Start(home_ / "pg");
  EXPECT_EQ(Query("create table t as select 7 as x"), "");
  kill(server_->pid(), SIGKILL);
  waitpid(server_->pid(), nullptr, 0);
  EXPECT_EQ(server_->Poll(), ServerState::kCrashed);
  Start(home_ / "pg");
  EXPECT_EQ(Query("select x from t"), "7\n");
}

TEST_F(PrivateServerTest, ALockFileThatNamesAnUnrelatedProcessIsStale) {
  Start(home_ / "pg");
  const fs::path lock = server_->placement().data_dir / "postmaster.pid";
  ASSERT_TRUE(server_->Stop(StopMode::kFast, kPatience).ok());
  std::ofstream(lock) << getpid() << "\n" << lock.parent_path().string() << "\n1\n5432\n/x\n\n";
  Start(home_ / "pg");
  EXPECT_FALSE(server_->adopted());
  EXPECT_EQ(Query("select 1"), "1\n");
}

TEST_F(PrivateServerTest, AdoptsARunningServer) {
  Start(home_ / "pg");
  const auto first = std::exchange(server_, nullptr);
  Start(home_ / "pg");
  EXPECT_TRUE(server_->adopted());
  EXPECT_EQ(server_->pid(), first->pid());
  EXPECT_EQ(Query("select 1"), "1\n");
  EXPECT_TRUE(StopServerAt(dir_, StopMode::kFast, kPatience).ok());
  EXPECT_EQ(first->Poll(), ServerState::kStopped);
  EXPECT_EQ(server_->Poll(), ServerState::kStopped);
}

TEST_F(PrivateServerTest, AHalfMadeClusterIsMadeAgain) {
  fs::create_directories(home_ / "pg/data.new/base");
  std::ofstream(home_ / "pg/data.new/PG_VERSION") << "15\n";
  Start(home_ / "pg");
  EXPECT_EQ(Query("select 1"), "1\n");
}

TEST_F(PrivateServerTest, LongAndOddPathsWork) {
  Start(home_ / std::string(60, 'x') / "a, b's \"dir\"" / std::string(60, 'y'));
  EXPECT_EQ(Query("select 1"), "1\n");
}

TEST_F(PrivateServerTest, RootRunsItElsewhereWhenTheDirectoryIsLocked) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  fs::create_directory(home_ / "locked");
  chmod((home_ / "locked").c_str(), 0700);
  const mode_t usual = umask(077);
  Start(home_ / "locked/pg");
  umask(usual);
  ASSERT_NE(server_, nullptr);
  EXPECT_TRUE(server_->placement().relocated);
  EXPECT_EQ(Query("select 1"), "1\n");
}

TEST_F(PrivateServerTest, ABadSettingIsReportedInOneLine) {
  Start(home_ / "pg");
  ASSERT_TRUE(server_->Stop(StopMode::kFast, kPatience).ok());
  std::ofstream(server_->placement().data_dir / "custom.conf") << "max_connections = many\n";
  const absl::Status status = server_->Restart();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("FATAL:"));
  EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
}

TEST_F(PrivateServerTest, TheServerEndsWithTheProcessThatStartedIt) {
  const pid_t child = fork();
  if (child == 0) {
    PrivateServerOptions options;
    options.dir = home_ / "pg";
    options.durable = false;
    options.stop_with_parent = true;
    _exit(PrivateServer::Start(options).ok() ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  dir_ = home_ / "pg";
  for (int i = 0; i < 3000 && ReadPostmasterFile(dir_ / "data"); ++i) usleep(10'000);
  EXPECT_FALSE(ReadPostmasterFile(dir_ / "data"));
}

}  // namespace
}  // namespace penstock::pgserver
