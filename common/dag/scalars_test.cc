#include "common/dag/scalars.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace penstock::dag {
namespace {

TEST(ScalarsTest, PlainScalarsFollowTheCoreSchema) {
  for (const char* text : {"", "~", "null", "Null", "NULL"}) {
    EXPECT_EQ(ClassifyPlain(text), ScalarKind::kNull) << text;
  }
  for (const char* text : {"true", "False", "TRUE"}) {
    EXPECT_EQ(ClassifyPlain(text), ScalarKind::kBool) << text;
  }
  for (const char* text : {"0", "-1", "+12", "0777", "0o17", "0xFf"}) {
    EXPECT_EQ(ClassifyPlain(text), ScalarKind::kInt) << text;
  }
  for (const char* text : {"1.", ".5", "-1.5e3", "1e9", ".inf", "-.INF", ".nan"}) {
    EXPECT_EQ(ClassifyPlain(text), ScalarKind::kFloat) << text;
  }
  for (const char* text : {"no", "on", "yes", "y", "nUll", "tRue", "1_000", "0o8", "0x", "1e", ".",
                           "+", "-", "1:30", "2024-01-01", "0b1", "-0x1", "inf", "+.nan"}) {
    EXPECT_EQ(ClassifyPlain(text), ScalarKind::kString) << text;
  }
}

TEST(ScalarsTest, IntegersAreExactOrRefused) {
  EXPECT_EQ(ParseInt("0o17"), 15);
  EXPECT_EQ(ParseInt("0xfF"), 255);
  EXPECT_EQ(ParseInt("0777"), 777);
  EXPECT_EQ(ParseInt("+5"), 5);
  EXPECT_EQ(ParseInt("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_FALSE(ParseInt("9223372036854775808").has_value());
  EXPECT_TRUE(std::isinf(ParseFloat("1e999")));
}

TEST(ScalarsTest, IdsAreLettersDigitsAndThreeSigns) {
  for (const char* text : {"a", "_", "a.b-c_9", "Load"}) EXPECT_TRUE(IsId(text)) << text;
  for (const char* text : {"", "9a", "-a", ".a", "a..b", "a b", "a/b", "ä"}) {
    EXPECT_FALSE(IsId(text)) << text;
  }
  EXPECT_FALSE(IsId(std::string("a\0b", 3)));
  EXPECT_FALSE(IsName("a-b"));
}

TEST(ScalarsTest, DurationsNeedUnitsInOrder) {
  EXPECT_EQ(ParseDuration("10s"), absl::Seconds(10));
  EXPECT_EQ(ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(ParseDuration("2d"), absl::Hours(48));
  EXPECT_EQ(ParseDuration("1m250ms"), absl::Milliseconds(60'250));
  EXPECT_EQ(ParseDuration("0"), absl::ZeroDuration());
  EXPECT_EQ(ParseDuration("366d"), absl::Hours(366 * 24));
  for (const char* text : {"", "10", "s", "-1s", "1.5h", "30m1h", "1s1s", "367d", "1y", "10 s",
                           "99999999999999999999s", "366d1ms", "1h 30m"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(ScalarsTest, SizesAndCores) {
  EXPECT_EQ(ParseSize("2Gi"), int64_t{2} << 30);
  EXPECT_EQ(ParseSize("10k"), 10'000);
  EXPECT_EQ(ParseSize("123"), 123);
  for (const char* text : {"", "Gi", "-1", "1.5Gi", "2gi", "2GB", "9999999Pi"}) {
    EXPECT_FALSE(ParseSize(text).has_value()) << text;
  }
  EXPECT_EQ(ParseCpu("2"), 2000);
  EXPECT_EQ(ParseCpu("0.5"), 500);
  EXPECT_EQ(ParseCpu("1.25"), 1250);
  EXPECT_EQ(ParseCpu("500m"), 500);
  for (const char* text : {"", "-1", "1.", "1.2345", "0.5m", "1e3", "99999999999"}) {
    EXPECT_FALSE(ParseCpu(text).has_value()) << text;
  }
}

TEST(ScalarsTest, FindsTheFirstByteThatIsNoText) {
  EXPECT_FALSE(FindBadByte("tab\t line\r\n grüße 漢字 😀").has_value());
  EXPECT_EQ(FindBadByte(std::string("ab\0c", 4))->offset, 2U);
  EXPECT_EQ(FindBadByte("a\x1b")->offset, 1U);
  for (const char* bytes : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
                            "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xFF\xFE", "\xC2\x9B"}) {
    const auto bad = FindBadByte(std::string("ok ") + bytes);
    ASSERT_TRUE(bad.has_value());
    EXPECT_EQ(bad->offset, 3U);
  }
}

TEST(ScalarsTest, ShownTextsAreShortAndPrintable) {
  EXPECT_EQ(ShownText("a\nb"), "a?b");
  EXPECT_EQ(ShownText(std::string(100, 'x')), std::string(60, 'x') + "...");
}

}  // namespace
}  // namespace penstock::dag
