#include "worker/exec/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/base/status.h"

namespace penstock::worker::exec {
namespace {

using ::testing::HasSubstr;

constexpr size_t kLimit = 1024;

std::string Parsed(std::string_view text) {
  const auto output = ParseOutput(text, kLimit);
  return output.ok() ? *output : "error: " + std::string(Message(output.status()));
}

TEST(ParseOutputTest, BlankIsNoOutput) {
  EXPECT_EQ(Parsed(""), "");
  EXPECT_EQ(Parsed(" \r\n\t\n"), "");
}

TEST(ParseOutputTest, LinesBecomeOneObject) {
  EXPECT_EQ(Parsed("rows=12\r\n\nname=a=b c\nempty=\nrows=13"),
            R"({"empty":"","name":"a=b c","rows":13})");
}

TEST(ParseOutputTest, ValuesAreTypedOnlyIfNothingIsLost) {
  EXPECT_EQ(Parsed("a=7"), R"({"a":7})");
  EXPECT_EQ(Parsed("a=-1.5"), R"({"a":-1.5})");
  EXPECT_EQ(Parsed("a=007"), R"({"a":"007"})");
  EXPECT_EQ(Parsed("a=1.50"), R"({"a":"1.50"})");
  EXPECT_EQ(Parsed("a=123456789012345678901234567890"),
            R"({"a":"123456789012345678901234567890"})");
  EXPECT_EQ(Parsed("a=1e999"), R"({"a":"1e999"})");
  EXPECT_EQ(Parsed("a=true"), R"({"a":true})");
  EXPECT_EQ(Parsed("a=null"), R"({"a":null})");
  EXPECT_EQ(Parsed("a=True"), R"({"a":"True"})");
  EXPECT_EQ(Parsed("a=\"7\""), R"({"a":"7"})");
  EXPECT_EQ(Parsed("a=[1, \"x\"]"), R"({"a":[1,"x"]})");
  EXPECT_EQ(Parsed("a=[1, "), R"({"a":"[1, "})");
}

TEST(ParseOutputTest, OneJsonObjectMaySpanLines) {
  EXPECT_EQ(Parsed("\n {\"b\": 1,\n \"a\": {\"c\": [null]}}\n"), R"({"a":{"c":[null]},"b":1})");
}

TEST(ParseOutputTest, NamesWhatIsWrongAndWhere) {
  EXPECT_THAT(Parsed("{\"a\": 1} x"), HasSubstr("well-formed JSON object"));
  EXPECT_THAT(Parsed("{\"a\": 1"), HasSubstr("well-formed JSON object"));
  EXPECT_THAT(Parsed("a=1\nno equals"), HasSubstr("line 2: expected key=value"));
  EXPECT_THAT(Parsed("=1"), HasSubstr("line 1: expected key=value"));
  EXPECT_THAT(Parsed("1a=1"), HasSubstr("line 1"));
  EXPECT_THAT(Parsed("a b=1"), HasSubstr("line 1"));
  EXPECT_THAT(Parsed(std::string_view("a=1\nb=\0", 7)), HasSubstr("line 2: has a NUL byte"));
  EXPECT_THAT(Parsed("a=1\n\nb=\xff"), HasSubstr("line 3: is not UTF-8"));
  EXPECT_THAT(Parsed("a=" + std::string(kLimit, 'x')), HasSubstr("larger than 1024 bytes"));
}

TEST(ParseOutputTest, DepthIsLimited) {
  const std::string deep(100'000, '[');
  EXPECT_THAT(*ParseOutput("a=" + deep, 1 << 20), HasSubstr("[[["));  // a text, not JSON
  EXPECT_FALSE(ParseOutput("{\"a\":" + deep + std::string(100'000, ']') + "}", 1 << 20).ok());
  const std::string fine(kMaxOutputDepth - 1, '[');
  EXPECT_TRUE(
      ParseOutput("{\"a\":" + fine + std::string(kMaxOutputDepth - 1, ']') + "}", 1 << 20).ok());
}

TEST(IsUtf8Test, FollowsTheStandard) {
  for (const char* good : {"", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                           "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

}  // namespace
}  // namespace penstock::worker::exec
