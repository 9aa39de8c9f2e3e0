// penstock-test-cluster start|stop FILE: the CTest fixture around TestCluster.
//
// `start` leaves a process behind that holds the cluster until `stop` is called or CTest, its
// parent, is gone, and returns once FILE holds the cluster's address (a connection string to be
// followed by a database name) and the identity of that process.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include "common/process/pid_identity.h"
#include "common/process/unique_fd.h"
#include "common/testing/pg_cluster.h"

namespace penstock::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kHandOverMillis = 20'000;

std::optional<process::PidIdentity> HolderIn(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  std::getline(in, line);
  return process::ParsePidIdentity(line);
}

// Waits for the holder to end. False when it still lives after `millis`.
bool WaitGone(const process::PidIdentity& holder, int millis) {
  const process::UniqueFd fd(process::OpenPidFd(holder));
  pollfd ended{fd.get(), POLLIN, 0};
  return !fd || poll(&ended, 1, millis) == 1;
}

void WriteState(const fs::path& file, const TestCluster& cluster) {
  const fs::path fresh = file.string() + ".new";
  const auto self = process::Identify(getpid()).value_or(process::PidIdentity{});
  std::ofstream(fresh) << cluster.Dsn("") << '\n' << process::ToString(self) << '\n';
  fs::rename(fresh, file);
}

// Until CTest is gone or somebody asks us to end.
void WaitForEnd(const process::PidIdentity& ctest, int signal_fd) {
  const process::UniqueFd ctest_fd(process::OpenPidFd(ctest));
  pollfd events[] = {{ctest_fd.get(), POLLIN, 0}, {signal_fd, POLLIN, 0}};
  while (ctest_fd && poll(events, 2, -1) < 0) {
  }
}

// The process that stays. Tells `report` one line: empty, or what went wrong.
int Hold(const fs::path& file, const process::PidIdentity& ctest, process::UniqueFd report) {
  setsid();
  sigset_t ends;
  sigemptyset(&ends);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ends, number);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  const process::UniqueFd signal_fd(signalfd(-1, &ends, SFD_CLOEXEC));
  const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd) dup2(null_fd, fd);  // CTest waits for its pipes to close
  const auto cluster = TestCluster::Start();
  if (cluster.ok()) WriteState(file, **cluster);
  process::WriteAll(report.get(), cluster.ok() ? "\n" : cluster.status().ToString() + "\n");
  report.Reset();
  if (!cluster.ok()) return 1;
  WaitForEnd(ctest, signal_fd.get());
  fs::remove(file);
  return 0;
}

int Start(const fs::path& file) {
  const auto holder = HolderIn(file);
  if (holder && !WaitGone(*holder, kHandOverMillis)) {
    std::fprintf(stderr, "another CTest run uses this build directory\n");
    return 1;
  }
  const auto ctest = process::Identify(getppid());
  int ends[2];
  if (!ctest || pipe2(ends, O_CLOEXEC) != 0) return 1;
  process::UniqueFd answer(ends[0]);
  process::UniqueFd report(ends[1]);
  if (fork() == 0) return Hold(file, *ctest, std::move(report));
  report.Reset();
  std::string line;
  char byte = 0;
  while (read(answer.get(), &byte, 1) == 1) line += byte;
  if (line == "\n") return 0;
  std::fprintf(stderr, "%s", line.empty() ? "the cluster's process died\n" : line.c_str());
  return 1;
}

int Stop(const fs::path& file) {
  const auto holder = HolderIn(file);
  if (!holder || !process::SendSignal(*holder, SIGTERM)) return 0;
  return WaitGone(*holder, kHandOverMillis) ? 0 : 1;
}

}  // namespace
}  // namespace penstock::testing

int main(int argc, char** argv) {
  const std::string_view command = argc == 3 ? argv[1] : "";
  if (command == "start") return penstock::testing::Start(argv[2]);
  if (command == "stop") return penstock::testing::Stop(argv[2]);
  std::fprintf(stderr, "usage: penstock-test-cluster start|stop FILE\n");
  return 2;
}
