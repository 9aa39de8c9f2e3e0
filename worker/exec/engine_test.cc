// Attempts as real processes under a real guardian.
#include "worker/exec/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "worker/exec/engine_fixture.h"

namespace penstock::worker::exec {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class EngineTest : public ::testing::Test, protected EngineHarness {};

TEST_F(EngineTest, TellsStartOutputAndEndOnceEach) {
  // Long enough for its start to be told before its end.
  const AttemptKey key = Launch(Shell("echo out; echo err >&2; sleep 0.1; echo more"));
  const Report report = WaitFor(key);
  EXPECT_EQ(report.outcome, Outcome::kSuccess);
  EXPECT_EQ(report.cause, Cause::kNone);
  EXPECT_GT(report.started_at_us, 0);
  EXPECT_GE(report.finished_at_us, report.started_at_us);
  EXPECT_GT(report.peak_rss_kib, 100);
  const Recorder::Seen seen = recorder_.Get(key);
  EXPECT_EQ(seen.starts, 1);
  EXPECT_EQ(seen.ends, 1);
  EXPECT_EQ(seen.reports.size(), 1U);
  EXPECT_EQ(seen.text.at(LogStream::kStdout), "out\nmore\n");
  EXPECT_EQ(seen.text.at(LogStream::kStderr), "err\n");
}

TEST_F(EngineTest, AShortAttemptsReportTellsItsStart) {
  const AttemptKey key = Launch(Shell("echo out"));
  const Report report = WaitFor(key);
  EXPECT_GT(report.started_at_us, 0);
  EXPECT_LE(recorder_.Get(key).starts, 1);
  EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout), "out\n");
}

TEST_F(EngineTest, CausesOfDeathAreExact) {
  const Report code = RunShell("exit 7");
  EXPECT_EQ(code.cause, Cause::kExitCode);
  EXPECT_EQ(code.exit_code, 7);
  const Report signal = RunShell("kill -SEGV $$");
  EXPECT_EQ(signal.cause, Cause::kSignal);
  EXPECT_EQ(signal.signal, SIGSEGV);
  const Report killed = RunShell("kill -KILL $$");
  EXPECT_EQ(killed.cause, Cause::kSignal) << "no guess about memory";
  EXPECT_EQ(killed.signal, SIGKILL);
  LaunchSpec skip = Shell("exit 99");
  skip.skip_exit_code = 99;
  EXPECT_EQ(RunToEnd(std::move(skip)).outcome, Outcome::kSkipped);
  const AttemptKey failed = Launch(Shell("exit 1"));
  WaitFor(failed);
  EXPECT_EQ(recorder_.Get(failed).text.at(LogStream::kSystem),
            "penstock: ended with exit code 1\n");
}

TEST_F(EngineTest, WhatCannotStartSaysWhy) {
  const Report missing = RunToEnd(Program({"/no/such/program"}));
  EXPECT_EQ(missing.cause, Cause::kSpawnFailed);
  EXPECT_EQ(missing.error,
            "cannot start: executing the program /no/such/program: No such file or directory");
  EXPECT_EQ(missing.started_at_us, 0);
  EXPECT_THAT(RunToEnd(Program({std::string("a\0b", 3)})).error, HasSubstr("NUL"));
  EXPECT_THAT(RunToEnd(Program({"/etc/passwd"})).error, HasSubstr("Permission denied"));
  LaunchSpec huge = Program({"true", std::string(9 << 20, 'x')});
  EXPECT_THAT(RunToEnd(std::move(huge)).error, HasSubstr("too long"));
  EXPECT_EQ(RunShell(":").outcome, Outcome::kSuccess) << "the runner is fit for more";
}

TEST_F(EngineTest, NothingIsLeftForTheNextInTheSamePlace) {
  for (const char* mess : {"echo x > file", "mkdir dir", "chmod 755 .", "touch $PENSTOCK_OUTPUT"}) {
    RunShell(mess);
    const AttemptKey key = Launch(Shell("ls -A; stat -c %a ."));
    EXPECT_EQ(WaitFor(key).output_json, "");
    EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout), "700\n") << mess;
  }
}

TEST_F(EngineTest, RunsInAnEmptyDirectoryOfItsOwnThatIsRemoved) {
  const AttemptKey key =
      Launch(Shell("pwd; ls -a | wc -l; mkdir -p a/b; echo x > a/b/c; chmod 0 a; echo $TMPDIR"));
  EXPECT_EQ(WaitFor(key).outcome, Outcome::kSuccess);
  const std::string text = recorder_.Get(key).text.at(LogStream::kStdout);
  const std::string work_dir = text.substr(0, text.find('\n'));
  EXPECT_THAT(work_dir, HasSubstr(engine_->guardian().life_dir().string()));
  EXPECT_EQ(text, work_dir + "\n2\n" + work_dir + "\n");
  EXPECT_TRUE(Eventually([&] { return !fs::exists(work_dir); }));
}

TEST_F(EngineTest, SeesOnlyTheDocumentedEnvironment) {
  setenv("PENSTOCK_TEST_LEAK", "x", 1);
  LaunchSpec spec = Shell("env | grep -c LEAK || true; echo \"$GREETING $PENSTOCK_TASK\"; exit 0");
  spec.env = {{"GREETING", "hello"}};
  const AttemptKey key = Launch(std::move(spec));
  WaitFor(key);
  unsetenv("PENSTOCK_TEST_LEAK");
  EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout), "0\nhello task\n");
}

TEST_F(EngineTest, LongEnvironmentsTravelToo) {
  LaunchSpec spec = Shell("for v in A B C D; do eval \"printf %s \\\"\\$$v\\\"\"; done | wc -c");
  for (const char* name : {"A", "B", "C", "D"}) {
    spec.env.emplace_back(name, std::string(50'000, 'x'));
  }
  const AttemptKey key = Launch(std::move(spec));
  EXPECT_EQ(WaitFor(key).outcome, Outcome::kSuccess);
  EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout), "200000\n");
}

TEST_F(EngineTest, OutputsComeBack) {
  const Report lines = RunShell("echo rows=3 >> $PENSTOCK_OUTPUT; echo name=x >> $PENSTOCK_OUTPUT");
  EXPECT_EQ(lines.output_json, R"({"name":"x","rows":3})");
  EXPECT_EQ(RunShell("echo '{\"a\": [1]}' > $PENSTOCK_OUTPUT").output_json, R"({"a":[1]})");
  EXPECT_EQ(RunShell(":").output_json, "");
  EXPECT_EQ(RunShell("echo a=1 > $PENSTOCK_OUTPUT; exit 4").output_json, "");
}

TEST_F(EngineTest, BadOutputsFailTheAttemptAndNothingElse) {
  const auto error = [this](std::string text) {
    const Report report = RunShell(std::move(text));
    EXPECT_EQ(report.cause, Cause::kOutputInvalid);
    return report.error;
  };
  EXPECT_THAT(error("printf 'a=\\377' > $PENSTOCK_OUTPUT"), HasSubstr("line 1: is not UTF-8"));
  EXPECT_THAT(error("printf 'a=\\0' > $PENSTOCK_OUTPUT"), HasSubstr("NUL"));
  EXPECT_THAT(error("head -c 100000 /dev/zero | tr '\\0' x > $PENSTOCK_OUTPUT"),
              HasSubstr("larger than 65536 bytes"));
  EXPECT_THAT(error("mkfifo $PENSTOCK_OUTPUT"), HasSubstr("not a regular file"));
  EXPECT_THAT(error("mkdir $PENSTOCK_OUTPUT"), HasSubstr("not a regular file"));
  EXPECT_THAT(error("ln -s /etc/passwd $PENSTOCK_OUTPUT"), HasSubstr("not a regular file"));
}

TEST_F(EngineTest, FilesOfTheVersionAreUnpackedAsCopies) {
  const auto bundle = SealedBundle::Make(
      {{"load.sh", true, "#!/bin/sh\necho \"loaded $1\"\n"}, {"data/x.txt", false, "x"}});
  ASSERT_TRUE(bundle.ok());
  for (int i = 0; i < 2; ++i) {  // what the first does to its copy does not reach the second
    LaunchSpec spec = Shell("./load.sh it; cat data/x.txt; echo changed > data/x.txt; rm load.sh");
    spec.bundle = *bundle;
    const AttemptKey key = Launch(std::move(spec));
    EXPECT_EQ(WaitFor(key).outcome, Outcome::kSuccess);
    EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout), "loaded it\nx");
  }
}

TEST_F(EngineTest, WithoutAProgramItSucceedsAtOnce) {
  EXPECT_EQ(RunToEnd(Program({})).outcome, Outcome::kSuccess);
}

TEST_F(EngineTest, LogsKeepArbitraryBytes) {
  const AttemptKey key = Launch(Shell("printf 'a\\0b\\377\\n'"));
  WaitFor(key);
  EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout), std::string("a\0b\xff\n", 5));
}

int64_t PeakRssKib() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST_F(EngineTest, AFloodIsCutAndCostsNoMemory) {
  options_.max_log_bytes = 100'000;
  RunToEnd(Shell(":"));
  const int64_t before = PeakRssKib();
  const AttemptKey key = Launch(Shell("head -c 1000000000 /dev/zero; echo kept >&2; exit 5"));
  EXPECT_EQ(WaitFor(key).exit_code, 5);
  const Recorder::Seen seen = recorder_.Get(key);
  EXPECT_TRUE(seen.truncated);
  EXPECT_EQ(seen.text.at(LogStream::kStdout).size(), 100'000U);
  EXPECT_EQ(seen.text.count(LogStream::kStderr), 0U) << "the limit is for both streams together";
  EXPECT_LT(PeakRssKib() - before, 100 * 1024) << "of a flood of a gigabyte";
}

TEST_F(EngineTest, WhilePausedTheAttemptWaits) {
  const AttemptKey key =
      Launch(Shell(std::string("echo first; ") + kAwaitGo + "; head -c 500000 /dev/zero; echo ok"));
  ASSERT_TRUE(WaitForText(key, "first"));
  engine_->PauseOutput(key, true);
  // A later command has been done, so the pause is in force.
  EXPECT_EQ(RunToEnd(Program({})).outcome, Outcome::kSuccess);
  std::ofstream(engine_->guardian().life_dir() / "r0" / "go") << "\n";
  EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout), "first\n");
  engine_->PauseOutput(key, false);
  EXPECT_EQ(WaitFor(key).outcome, Outcome::kSuccess);
  EXPECT_EQ(recorder_.Get(key).text.at(LogStream::kStdout).size(), 500'000U + 9);
}

TEST_F(EngineTest, LaunchesBeyondTheLimitWaitAndCanBeKilledThere) {
  options_.max_concurrent = 1;
  const AttemptKey first = Launch(Shell(std::string("echo up; ") + kAwaitGo));
  ASSERT_TRUE(WaitForText(first, "up"));
  const AttemptKey second = Launch(Shell(":"));
  const AttemptKey third = Launch(Shell(":"));
  engine_->Kill({second, Cause::kCancelled, false});
  const Report killed = WaitFor(second);
  EXPECT_EQ(killed.cause, Cause::kCancelled);
  EXPECT_EQ(killed.started_at_us, 0);
  EXPECT_TRUE(recorder_.Get(third).reports.empty());
  engine_->Kill({first, Cause::kCancelled, true});
  EXPECT_EQ(WaitFor(third).outcome, Outcome::kSuccess);
}

TEST_F(EngineTest, ALaunchThatCameBeforeIsIgnored) {
  LaunchSpec spec = Shell("echo up; sleep 1000");
  const LaunchSpec again = spec;
  const AttemptKey key = Launch(std::move(spec));
  Launch(again);
  ASSERT_TRUE(WaitForText(key, "up"));
  Launch(again);
  engine_->Kill({key, Cause::kCancelled, true});
  WaitFor(key);
  RunToEnd(Program({}));
  EXPECT_EQ(recorder_.Get(key).reports.size(), 1U);
  EXPECT_EQ(recorder_.Get(key).starts, 1);
}

TEST_F(EngineTest, TwoThousandQuickOnesLeakNothing) {
  options_.max_concurrent = 4;
  const auto open_fds = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  for (int i = 0; i < 8; ++i) Launch(Shell(":"));
  ASSERT_TRUE(Eventually([&] { return recorder_.finished() == 8; }));
  const auto before = open_fds();
  for (int i = 0; i < 2000; ++i) Launch(Shell(":"));
  ASSERT_TRUE(Eventually([&] { return recorder_.finished() == 2008; }));
  EXPECT_EQ(open_fds(), before);
}

// More new runners than its socket holds requests for, while it is too slow to take any.
TEST_F(EngineTest, ABurstWaitsForTheGuardian) {
  options_.max_concurrent = 500;
  StartEngine();
  ASSERT_EQ(kill(engine_->guardian().pid(), SIGSTOP), 0);
  std::vector<AttemptKey> keys;
  for (int i = 0; i < 500; ++i) keys.push_back(Launch(Program({"/bin/true"})));
  EXPECT_FALSE(Eventually([&] { return recorder_.finished() > 0; }, absl::Milliseconds(300)));
  ASSERT_EQ(kill(engine_->guardian().pid(), SIGCONT), 0);
  for (const AttemptKey& key : keys) {
    const Report report = WaitFor(key);
    ASSERT_EQ(report.outcome, Outcome::kSuccess) << report.error;
  }
}

TEST_F(EngineTest, EverythingIsGoneAfterStop) {
  const AttemptKey key = Launch(Shell("setsid sleep 1000 & echo $! ; trap '' TERM; sleep 1000"));
  ASSERT_TRUE(WaitForText(key, "\n"));
  const pid_t escapee = std::stoi(recorder_.Get(key).text.at(LogStream::kStdout));
  const fs::path life_dir = engine_->guardian().life_dir();
  Stop();
  EXPECT_EQ(kill(escapee, 0), -1);
  EXPECT_FALSE(fs::exists(life_dir));
}

}  // namespace
}  // namespace penstock::worker::exec
