#include "client/cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/text.h"

namespace penstock::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void SetCount(v1::RunProgress* progress, v1::TaskState state, int count) {
  auto* entry = progress->add_counts();
  entry->set_state(state);
  entry->set_count(count);
}

v1::RunProgress Example() {
  v1::RunProgress progress;
  progress.mutable_run()->set_id(42);
  progress.mutable_run()->set_dag("etl");
  progress.mutable_run()->set_state(v1::RUN_STATE_RUNNING);
  progress.mutable_run()->mutable_started_at()->set_seconds(1000);
  progress.set_task_count(20);
  SetCount(&progress, v1::TASK_STATE_WAITING, 8);
  SetCount(&progress, v1::TASK_STATE_RUNNING, 2);
  SetCount(&progress, v1::TASK_STATE_SUCCESS, 9);
  SetCount(&progress, v1::TASK_STATE_FAILED, 1);
  progress.add_running("load");
  progress.add_running("check");
  progress.add_failed("fetch");
  return progress;
}

FrameOptions Options(size_t columns) {
  FrameOptions options;
  options.columns = columns;
  options.now = absl::FromUnixSeconds(1083);
  return options;
}

TEST(ProgressTest, DrawsAFrame) {
  EXPECT_THAT(RenderFrame(Example(), Options(80)),
              ElementsAre("etl  run 42  running  1m23s",
                          "[####################....................]  50 %  10/20",
                          "success 9  failed 1  running 2  waiting 8", "running: load, check",
                          "failed: fetch"));
}

TEST(ProgressTest, UsesBlocksWhereItMay) {
  FrameOptions options = Options(40);
  options.unicode = true;
  EXPECT_THAT(RenderFrame(Example(), options)[1], HasSubstr("█░"));
}

TEST(ProgressTest, ShowsFailuresInTheirColour) {
  FrameOptions options = Options(80);
  options.color = true;
  const std::string bar = RenderFrame(Example(), options)[1];
  EXPECT_THAT(bar, HasSubstr("\x1b[32m##################\x1b[0m\x1b[31m##\x1b[0m"));
}

TEST(ProgressTest, NeverFillsALineWhateverTheWidth) {
  for (size_t columns = 1; columns < 100; ++columns) {
    for (const std::string& line : RenderFrame(Example(), Options(columns))) {
      EXPECT_LE(DisplayWidth(line), columns < 2 ? 1 : columns - 1) << columns << line;
    }
  }
}

TEST(ProgressTest, SurvivesOddNumbers) {
  v1::RunProgress progress;
  EXPECT_THAT(RenderFrame(progress, Options(60))[1], HasSubstr("0 %  0/0"));
  SetCount(&progress, v1::TASK_STATE_SUCCESS, 30);
  progress.set_task_count(10);
  EXPECT_THAT(RenderFrame(progress, Options(60))[1], HasSubstr("100 %  30/30"));
}

TEST(ProgressTest, EscapesNames) {
  v1::RunProgress progress = Example();
  progress.set_running(0, "a\x1b[2J");
  progress.mutable_run()->set_dag("d\nx");
  const auto lines = RenderFrame(progress, Options(80));
  EXPECT_THAT(lines[0], HasSubstr("d\\nx"));
  EXPECT_THAT(lines[3], HasSubstr("a\\x1b[2J"));
}

TEST(ProgressTest, StopsTheClockAtTheEnd) {
  v1::RunProgress progress = Example();
  progress.mutable_run()->mutable_finished_at()->set_seconds(1005);
  EXPECT_EQ(Elapsed(progress.run(), absl::FromUnixSeconds(9999)), absl::Seconds(5));
  EXPECT_EQ(Elapsed(v1::Run(), absl::FromUnixSeconds(9999)), absl::ZeroDuration());
}

TEST(ProgressTest, WritesPlainLines) {
  EXPECT_EQ(ProgressLine(Example()),
            "run 42 running: 10/20 done (success 9, failed 1, running 2, waiting 8)");
}

TEST(LiveAreaTest, ReplacesTheFrameInOneWrite) {
  LiveArea area;
  EXPECT_EQ(area.Draw({"one", "two"}, 80), "one\x1b[K\ntwo\x1b[K\n\x1b[J");
  EXPECT_EQ(area.Draw({"three"}, 80), "\x1b[2A\rthree\x1b[K\n\x1b[J");
  EXPECT_EQ(area.Draw({"four"}, 80), "\x1b[1A\rfour\x1b[K\n\x1b[J");
  EXPECT_EQ(area.Clear(80), "\x1b[1A\r\x1b[J");
  EXPECT_EQ(area.Clear(80), "");
}

TEST(LiveAreaTest, CountsTheRowsThatANarrowTerminalFolds) {
  LiveArea area;
  area.Draw({std::string(50, 'x'), "\x1b[32m" + std::string(20, 'y') + "\x1b[0m"}, 80);
  EXPECT_EQ(area.Draw({"z"}, 20).substr(0, 5), "\x1b[4A\r");
}

}  // namespace
}  // namespace penstock::client
