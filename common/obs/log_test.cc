#include "common/obs/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/obs/log_format.h"
#include "common/obs/utf8.h"
#include "common/service/executor.h"

namespace penstock::obs {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Time kAt = absl::FromUnixMicros(1'704'067'200'000'007);

std::string Text(std::string_view message, LogFields fields = {}) {
  return FormatText({kAt, LogLevel::kInfo, "scheduler", "a", message, fields});
}

json Json(std::string_view message, LogFields fields = {}) {
  const std::string line = FormatJson({kAt, LogLevel::kError, "", "", message, fields});
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  return json::parse(line);
}

TEST(LogFormatTest, TextIsReadable) {
  EXPECT_EQ(Text("flushed", {{"domain", DomainId(3)},
                             {"rows", 512},
                             {"took", absl::Milliseconds(1.5)},
                             {"ok", true},
                             {"note", "two words"},
                             {"empty", ""}}),
            "2024-01-01T00:00:00.000007Z INFO  scheduler/a flushed domain=3 rows=512 took=0.0015 "
            "ok=true note=\"two words\" empty=\"\"");
  EXPECT_EQ(FormatText({kAt, LogLevel::kWarning, "", "", "bare", {}}),
            "2024-01-01T00:00:00.000007Z WARN  bare");
}

TEST(LogFormatTest, JsonHasTypedMembers) {
  EXPECT_EQ(Json("ended", {{"run", RunId(7)},
                           {"big", std::numeric_limits<uint64_t>::max()},
                           {"ratio", 0.25},
                           {"nan", std::numeric_limits<double>::quiet_NaN()},
                           {"flag", false},
                           {"cause", MakeStatus(absl::StatusCode::kAborted, "why")}}),
            json({{"time", "2024-01-01T00:00:00.000007Z"},
                  {"level", "error"},
                  {"message", "ended"},
                  {"run", 7},
                  {"big", std::numeric_limits<uint64_t>::max()},
                  {"ratio", 0.25},
                  {"nan", nullptr},
                  {"flag", false},
                  {"cause", "ABORTED: why"}}));
}

TEST(LogFormatTest, NobodyCanForgeALine) {
  const std::string evil = "x\n2024 INFO forged\r\x1b[31m\x7f\xC2\x9B\xE2\x80\xA8\"\\";
  const std::string line = Text("got", {{"name", evil}});
  for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << line;
  EXPECT_THAT(line, HasSubstr(R"(name="x\n2024 INFO forged\r\u001b[31m\u007f\u009b\u2028\"\\")"));
  EXPECT_EQ(Json("got", {{"name", evil}})["name"], evil);
  EXPECT_THAT(Text("a=1 b\nc"), Not(HasSubstr("\n")));
  EXPECT_THAT(Text("got", {{"k", "a=b"}}), HasSubstr("k=\"a=b\""));
}

TEST(LogFormatTest, InvalidUtf8IsReplaced) {
  EXPECT_EQ(Json("got", {{"v", "a\xFF\xC3(\xED\xA0\x80\xF0\x9F\x98\x80"}})["v"],
            "a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD\U0001F600");
  EXPECT_EQ(Json("got", {{"v", std::string_view("a\0b", 3)}})["v"], std::string("a\0b", 3));
}

TEST(LogFormatTest, LongValuesAreCut) {
  const std::string huge(1 << 20, 'a');
  const std::string line = Text("got", {{"v", huge}});
  EXPECT_LT(line.size(), 20'000u);
  EXPECT_THAT(line, HasSubstr("(cut, 1048576 bytes in all)"));
}

TEST(Utf8Test, WalksOverCharacters) {
  std::vector<char32_t> seen;
  ForEachCodePoint("a\xC3\xA9\xE2\x82\xAC\xC0\x80\xF4\x90\x80\x80\xE2\x82",
                   [&](char32_t c, std::string_view) { seen.push_back(c); });
  EXPECT_THAT(seen,
              ElementsAre('a', 0xE9, 0x20AC, kReplacement, kReplacement, kReplacement, kReplacement,
                          kReplacement, kReplacement, kReplacement, kReplacement));
}

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { InitLog({}); }
  void Capture(LogFormat format, LogLevel level) {
    LogOptions options;
    options.format = format;
    options.level = level;
    options.role = "worker";
    options.node = "w1";
    options.write = [this](std::string_view line) { lines_.emplace_back(line); };
    InitLog(options);
  }

  std::vector<std::string> lines_;
};

TEST_F(LogTest, WritesWhatTheLevelAllows) {
  Capture(LogFormat::kText, LogLevel::kWarning);
  Debug("no");
  Info("no");
  Warning("careful", {{"n", 1}});
  Error("bad");
  FlushLog();
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_THAT(lines_[0], HasSubstr("WARN  worker/w1 careful n=1"));
  EXPECT_THAT(lines_[1], HasSubstr("ERROR worker/w1 bad"));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
}

TEST_F(LogTest, BracesAreNotPlaceholders) {
  Capture(LogFormat::kJson, LogLevel::kInfo);
  Info("odd {} {0}", {{"k{}", "{}"}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(json::parse(lines_[0])["k{}"], "{}");
}

TEST_F(LogTest, ManyThreadsWriteWholeLines) {
  Capture(LogFormat::kJson, LogLevel::kInfo);
  service::Executor threads({"loggers", 4, 100});
  for (int t = 0; t < 4; ++t) {
    ASSERT_TRUE(threads.TryPost([t] {
      for (int i = 0; i < 200; ++i) Info("line", {{"thread", t}, {"i", i}});
    }));
  }
  threads.Shutdown();
  EXPECT_EQ(lines_.size(), 800u);
  for (const std::string& line : lines_) EXPECT_EQ(json::parse(line)["role"], "worker");
}

}  // namespace
}  // namespace penstock::obs
