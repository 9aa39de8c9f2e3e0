#include "client/cli/params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/lib/errors.h"

namespace penstock::client {
namespace {

std::string Build(const std::string& source, const std::vector<std::string>& pairs,
                  const std::string& input = "") {
  std::istringstream in(input);
  const auto params = BuildParams(source, pairs, in);
  return params.ok() ? *params : "error: " + std::string(params.status().message());
}

TEST(ParamsTest, KeepsTheTypesOfJson) {
  EXPECT_EQ(Build("", {"n=3", "f=0.5", "b=true", "l=[1, 2]", "s=text", "q=\"3\"", "z=null", "e="}),
            R"({"n":3,"f":0.5,"b":true,"l":[1,2],"s":"text","q":"3","z":null,"e":""})");
  EXPECT_EQ(Build("", {"zip=007", "a=b=c"}), R"({"zip":"007","a":"b=c"})");
}

TEST(ParamsTest, LaysPairsOverTheObject) {
  EXPECT_EQ(Build(R"({"a": 1, "b": 2})", {"b=3"}), R"({"a":1,"b":3})");
  EXPECT_EQ(Build("-", {"b=3"}, R"({"a": "from input"})"), R"({"a":"from input","b":3})");
}

TEST(ParamsTest, RefusesWhatIsNoObject) {
  EXPECT_EQ(Build("-", {}, "[1]"), "error: --params: standard input is not a JSON object");
  EXPECT_EQ(Build("{broken", {}), "error: --params: the text is not a JSON object");
  EXPECT_EQ(Build("/nonexistent", {}), "error: /nonexistent: No such file or directory");
  EXPECT_EQ(Build("", {"novalue"}), "error: --param: \"novalue\" is not NAME=VALUE");
  EXPECT_EQ(Build("", {"=x"}), "error: --param: \"=x\" is not NAME=VALUE");
}

TEST(ParamsTest, BoundsTheInput) {
  EXPECT_THAT(Build("-", {}, std::string(2 << 20, ' ')), ::testing::HasSubstr("larger than"));
}

TEST(ParamsTest, ReadsLogicalDates) {
  EXPECT_EQ(ParseLogicalDate("2026-01-02").value(), absl::FromUnixSeconds(1767312000));
  EXPECT_EQ(ParseLogicalDate("2026-01-02T00:00:00Z").value(), absl::FromUnixSeconds(1767312000));
  EXPECT_EQ(ParseLogicalDate("2026-01-02T02:00:00+02:00").value(),
            absl::FromUnixSeconds(1767312000));
  EXPECT_EQ(ParseLogicalDate("2026-01-02T00:00:00.5").value(), absl::FromUnixMillis(1767312000500));
  for (const char* bad : {"", "tomorrow", "2026-13-01", "2026-01-02T25:00:00Z", "02.01.2026"}) {
    EXPECT_EQ(ExitCodeOf(ParseLogicalDate(bad).status()), ExitCode::kUsage) << bad;
  }
}

}  // namespace
}  // namespace penstock::client
