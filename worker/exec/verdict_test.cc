#include "worker/exec/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstring>

namespace penstock::worker::exec {
namespace {

using ::testing::HasSubstr;

guard::Ended Ended(guard::EndedBy by, int wait_status) {
  guard::Ended ended{};
  ended.by = by;
  ended.pid = 10;
  ended.wait_status = wait_status;
  ended.cpu_us = 12'999;
  ended.peak_rss_kib = 2048;
  return ended;
}

constexpr int ExitStatus(int code) { return code << 8; }

Report JudgeOwn(int wait_status, AttemptFacts facts = {}) {
  return Judge(Ended(guard::EndedBy::kItself, wait_status), facts, std::string("{}"));
}

TEST(JudgeTest, ExitZeroIsSuccessWithItsOutput) {
  const Report report = Judge(Ended(guard::EndedBy::kItself, 0), {}, std::string(R"({"rows":1})"));
  EXPECT_EQ(report.outcome, Outcome::kSuccess);
  EXPECT_EQ(report.cause, Cause::kNone);
  EXPECT_EQ(report.output_json, R"({"rows":1})");
  EXPECT_EQ(report.error, "");
  EXPECT_EQ(report.cpu_ms, 12);
  EXPECT_EQ(report.peak_rss_kib, 2048);
}

TEST(JudgeTest, BadOutputFailsAnOtherwiseGoodAttempt) {
  const Report report = Judge(Ended(guard::EndedBy::kItself, 0), {},
                              absl::InvalidArgumentError("$PENSTOCK_OUTPUT is not UTF-8"));
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_EQ(report.cause, Cause::kOutputInvalid);
  EXPECT_EQ(report.error, "$PENSTOCK_OUTPUT is not UTF-8");
}

TEST(JudgeTest, WhatIsTooLongForTheGuardianIsNotCutWithinACharacter) {
  guard::Ended ended = Ended(guard::EndedBy::kNotStarted, 0);
  std::strcpy(ended.error.data(), "cannot execute /b\xc3\xa4\xc3");
  EXPECT_EQ(Judge(ended, {}, std::string()).error, "cannot start: cannot execute /b\xc3\xa4");
}

TEST(JudgeTest, ExitCodesAndSignalsAreToldExactly) {
  const Report code = JudgeOwn(ExitStatus(3));
  EXPECT_EQ(code.outcome, Outcome::kFailed);
  EXPECT_EQ(code.cause, Cause::kExitCode);
  EXPECT_EQ(code.exit_code, 3);
  EXPECT_EQ(code.error, "ended with exit code 3");
  EXPECT_EQ(code.output_json, "");
  const Report crashed = JudgeOwn(SIGSEGV);
  EXPECT_EQ(crashed.cause, Cause::kSignal);
  EXPECT_EQ(crashed.signal, SIGSEGV);
  EXPECT_EQ(crashed.error, "ended by SIGSEGV");
}

TEST(JudgeTest, TheSkipCodeSkips) {
  AttemptFacts facts;
  facts.skip_exit_code = 99;
  const Report report = JudgeOwn(ExitStatus(99), facts);
  EXPECT_EQ(report.outcome, Outcome::kSkipped);
  EXPECT_EQ(report.cause, Cause::kSkipRequested);
  EXPECT_EQ(report.exit_code, 99);
  EXPECT_EQ(JudgeOwn(ExitStatus(99)).cause, Cause::kExitCode) << "0 means: no such code";
  EXPECT_EQ(JudgeOwn(0, facts).outcome, Outcome::kSuccess);
}

TEST(JudgeTest, OutOfMemoryIsSaidOnlyWhenTheKernelSaidSo) {
  EXPECT_EQ(JudgeOwn(SIGKILL).cause, Cause::kSignal);
  guard::Ended ended = Ended(guard::EndedBy::kItself, ExitStatus(137));
  ended.out_of_memory = 1;
  AttemptFacts facts;
  facts.memory_bytes = 64 << 20;
  const Report report = Judge(ended, facts, std::string());
  EXPECT_EQ(report.cause, Cause::kOutOfMemory);
  EXPECT_THAT(report.error, HasSubstr("limit of 64 MiB"));
  ended.wait_status = 0;
  EXPECT_EQ(Judge(ended, facts, std::string()).outcome, Outcome::kSuccess)
      << "it coped with the loss of a child";
}

TEST(JudgeTest, WhoeverStoppedItIsTheCause) {
  AttemptFacts facts;
  facts.timeout = absl::Seconds(90);
  facts.kill_cause = Cause::kRunTimeout;
  const Report timeout = Judge(Ended(guard::EndedBy::kTimeout, SIGTERM), facts, std::string());
  EXPECT_EQ(timeout.cause, Cause::kTimeout);
  EXPECT_EQ(timeout.signal, SIGTERM);
  EXPECT_EQ(timeout.error, "timed out after 1m30s; ended by SIGTERM");
  const Report killed = Judge(Ended(guard::EndedBy::kRequest, ExitStatus(0)), facts, std::string());
  EXPECT_EQ(killed.outcome, Outcome::kFailed);
  EXPECT_EQ(killed.cause, Cause::kRunTimeout);
  EXPECT_EQ(Judge(Ended(guard::EndedBy::kLease, SIGKILL), facts, std::string()).cause,
            Cause::kLeaseLost);
  EXPECT_EQ(Judge(Ended(guard::EndedBy::kGuardianLost, SIGKILL), facts, std::string()).cause,
            Cause::kWorkerLost);
}

TEST(JudgeTest, WhatNeverRanHasNoExitCode) {
  guard::Ended ended = Ended(guard::EndedBy::kNotStarted, 0);
  ended.pid = 0;
  std::strcpy(ended.error.data(), "executing the program /x: No such file or directory");
  const Report report = Judge(ended, {}, std::string());
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_EQ(report.cause, Cause::kSpawnFailed);
  EXPECT_EQ(report.error, "cannot start: executing the program /x: No such file or directory");
}

TEST(SignalNameTest, NamesAndNumbers) {
  EXPECT_EQ(SignalName(SIGKILL), "SIGKILL");
  EXPECT_EQ(SignalName(40), "signal 40");
}

}  // namespace
}  // namespace penstock::worker::exec
