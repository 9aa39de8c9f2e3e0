#include "scheduler/api/task_rows.h"

#include "common/testing/status_matchers.h"
#include "scheduler/api/log_tail.h"

namespace penstock::api {
namespace {

using core::TaskState;
using ::penstock::testing::IsOkAndHolds;
using ::penstock::testing::StatusIs;
using ::testing::HasSubstr;

const core::TaskKey kKey{RunId(1), 2, -1};

store::TaskRecord Row(TaskState state, int32_t attempt) {
  store::TaskRecord task = WaitingTask(kKey);
  task.row.state = state;
  task.row.attempt = attempt;
  task.row.cause = core::Cause::kExitCode;
  task.row.exit_code = 3;
  task.worker = "w1";
  return task;
}

TEST(MergeTest, ShowsWhatTheOwnerSeesOfInstancesWithoutARow) {
  EXPECT_EQ(Merge(kKey, std::nullopt, std::nullopt).row.state, TaskState::kWaiting);
  const core::TaskView ready{TaskState::kReady, 0, SessionId()};
  EXPECT_EQ(Merge(kKey, std::nullopt, ready).row.state, TaskState::kReady);
}

TEST(MergeTest, LetsATerminalRowHaveTheLastWord) {
  const core::TaskView running{TaskState::kRunning, 1, SessionId()};
  EXPECT_EQ(Merge(kKey, Row(TaskState::kFailed, 1), running).row.state, TaskState::kFailed);
}

TEST(MergeTest, KnowsThatALeasedAttemptRunsBeforeItsRowSaysSo) {
  const core::TaskView running{TaskState::kRunning, 1, SessionId()};
  const store::TaskRecord merged = Merge(kKey, Row(TaskState::kLeased, 1), running);
  EXPECT_EQ(merged.row.state, TaskState::kRunning);
  EXPECT_EQ(merged.worker, "w1");
}

TEST(MergeTest, DoesNotShowAnEarlierAttemptsEndAsTheNewOnes) {
  const core::TaskView next{TaskState::kLeased, 2, SessionId()};
  const store::TaskRecord merged = Merge(kKey, Row(TaskState::kUpForRetry, 1), next);
  EXPECT_EQ(merged.row.attempt, 2);
  EXPECT_EQ(merged.row.exit_code, 0);
  EXPECT_EQ(merged.worker, "");
  const core::TaskView old{TaskState::kRunning, 1, SessionId()};
  EXPECT_EQ(Merge(kKey, Row(TaskState::kLeased, 2), old).row.state, TaskState::kLeased);
}

TEST(ExplainRowTest, GivesTheCauseOfAFailure) {
  const core::Explanation failed = ExplainRow(Row(TaskState::kFailed, 2), core::RunState::kFailed);
  EXPECT_EQ(failed.reason, core::Reason::kFailed);
  EXPECT_EQ(failed.sentence, "failed on attempt 2 (worker w1): exit code 3");
  const core::Explanation never = ExplainRow(WaitingTask(kKey), core::RunState::kFailed);
  EXPECT_THAT(never.sentence, HasSubstr("the run ended (failed)"));
}

TEST(FindTaskTest, GuessesWhatWasMeant) {
  auto parsed = dag::ParseDag("dag: d\ntasks:\n  extract: {sh: x}\n  load: {sh: x}\n");
  ASSERT_TRUE(parsed.dag.has_value());
  const dag::Topology topology(*std::move(parsed.dag));
  EXPECT_THAT(FindTask(topology, "load"), IsOkAndHolds(1));
  EXPECT_THAT(FindTask(topology, "extrcat"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean \"extract\"")));
}

logstore::LogRecord Text(int64_t offset, std::string bytes) {
  logstore::LogRecord record;
  record.offset = offset;
  record.bytes = std::move(bytes);
  return record;
}

std::string All(const std::deque<logstore::LogRecord>& records) {
  std::string text;
  for (const logstore::LogRecord& record : records) text += record.bytes;
  return text;
}

TEST(LogTailTest, KeepsEverythingThatFits) {
  LogTail tail(100);
  tail.Add({Text(0, "one\n"), Text(4, "two\n")});
  EXPECT_EQ(All(tail.Take()), "one\ntwo\n");
}

TEST(LogTailTest, BeginsWithAWholeLine) {
  LogTail tail(9);
  tail.Add({Text(0, "first\nsecond\n")});
  tail.Add({Text(13, "third\n")});
  const auto records = tail.Take();
  EXPECT_EQ(All(records), "third\n");
  EXPECT_EQ(records.front().offset, 13);
}

TEST(LogTailTest, CutsALineThatIsLongerThanTheTail) {
  LogTail tail(4);
  tail.Add({Text(0, "abcdefgh")});
  EXPECT_EQ(All(tail.Take()), "efgh");
}

}  // namespace
}  // namespace penstock::api
