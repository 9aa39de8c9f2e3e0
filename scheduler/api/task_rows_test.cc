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

dag::Topology ThreeTasks() {
  auto parsed = dag::ParseDag(
      "dag: d\ntasks:\n  a: {sh: x}\n  b: {sh: x}\n"
      "  c: {needs: [a, b], trigger_rule: none_failed, sh: x}\n");
  return dag::Topology(*std::move(parsed.dag));
}

TEST(ExplainRowTest, GivesTheCauseOfAFailure) {
  store::TaskRecord task = Row(TaskState::kFailed, 2);
  const dag::Topology topology = ThreeTasks();
  const core::Explanation failed = ExplainRow(task, core::RunState::kFailed, topology);
  EXPECT_EQ(failed.reason, core::Reason::kFailed);
  EXPECT_EQ(failed.sentence, "failed on attempt 2 (worker w1): exit code 3");
  task.row.cause = core::Cause::kOutputInvalid;
  task.error = "line 1: no '='\nand more";
  EXPECT_EQ(ExplainRow(task, core::RunState::kFailed, topology).sentence,
            "failed on attempt 2 (worker w1): its output is not valid: line 1: no '='");
  const core::Explanation never = ExplainRow(WaitingTask(kKey), core::RunState::kFailed, topology);
  EXPECT_THAT(never.sentence, HasSubstr("the run ended (failed)"));
}

TEST(ExplainRowTest, NamesTheUpstreamThatDecided) {
  store::TaskRecord task = WaitingTask(kKey);
  task.row.state = TaskState::kUpstreamFailed;
  store::TaskRecord up = WaitingTask({RunId(1), 1, -1});
  up.row.state = TaskState::kFailed;
  EXPECT_TRUE(EndedByRule(task));
  EXPECT_EQ(ExplainRow(task, core::RunState::kRunning, ThreeTasks(), {up}).sentence,
            "did not run: its trigger rule is none_failed; upstream b (failed)");
}

TEST(ExplainRowTest, TellsWhenTheNextAttemptMayStart) {
  store::TaskRecord task = Row(TaskState::kUpForRetry, 1);
  task.row.retry_at_us = 1'700'000'000'000'000;
  EXPECT_EQ(DescribeRetry(task),
            "failed on attempt 1 (worker w1): exit code 3; the next attempt may start at "
            "2023-11-14 22:13:20 UTC");
}

TEST(DecidesTest, PicksWhatSpeaksAgainstTheRule) {
  using dag::TriggerRule;
  const auto skipped = TaskState::kSkipped;
  EXPECT_TRUE(Decides(TriggerRule::kAllSuccess, skipped, TaskState::kSkipped));
  EXPECT_FALSE(Decides(TriggerRule::kAllSuccess, skipped, TaskState::kSuccess));
  EXPECT_TRUE(Decides(TriggerRule::kAllFailed, skipped, TaskState::kSuccess));
  EXPECT_FALSE(Decides(TriggerRule::kAllFailed, skipped, TaskState::kFailed));
  EXPECT_TRUE(Decides(TriggerRule::kAllSkipped, skipped, TaskState::kFailed));
  EXPECT_FALSE(Decides(TriggerRule::kOneFailed, skipped, TaskState::kRunning));
  EXPECT_TRUE(Decides(TriggerRule::kOneSuccess, TaskState::kUpstreamFailed, TaskState::kFailed));
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
