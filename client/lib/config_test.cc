#include "client/lib/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "client/lib/errors.h"

namespace penstock::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

GetEnv Env(std::map<std::string, std::string> values) {
  return [values](std::string_view name) -> std::optional<std::string> {
    const auto found = values.find(std::string(name));
    return found == values.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

ConfigFile File() {
  const auto file = ParseConfig(
      "current: laptop\n"
      "contexts:\n"
      "  laptop: {address: \"127.0.0.1:7500\"}\n"
      "  prod: {address: \"a:1,b:2\", namespace: sales}\n",
      "config.yaml");
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *file : ConfigFile();
}

std::string ErrorOf(std::string_view yaml) {
  return std::string(ParseConfig(yaml, "c.yaml").status().message());
}

TEST(ConfigTest, ReadsContexts) {
  const ConfigFile file = File();
  EXPECT_EQ(file.current, "laptop");
  EXPECT_EQ(file.contexts.at("prod").address, "a:1,b:2");
  EXPECT_EQ(file.contexts.at("prod").name_space, "sales");
}

TEST(ConfigTest, IsEmptyForAnEmptyFile) {
  for (const char* yaml : {"", "# nothing\n", "\n  \n# a\n  # b"}) {
    const auto file = ParseConfig(yaml, "c.yaml");
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE(file->contexts.empty());
  }
}

TEST(ConfigTest, NamesThePlaceOfEveryProblem) {
  const std::string error = ErrorOf("contexts:\n  a: {adress: \"x:1\"}\n  b: 3\nfoo: 1\n");
  EXPECT_THAT(error, HasSubstr("c.yaml:2:7: unknown key \"adress\""));
  EXPECT_THAT(error, HasSubstr("address"));
  EXPECT_THAT(error, HasSubstr("c.yaml:3:6: contexts.b: expected a map"));
  EXPECT_THAT(error, HasSubstr("c.yaml:4:1: unknown key \"foo\""));
}

TEST(ConfigTest, RefusesACurrentContextThatIsMissing) {
  EXPECT_THAT(ErrorOf("current: x\ncontexts: {a: {address: \"h:1\"}}\n"), HasSubstr("\"x\""));
}

TEST(ConfigTest, RefusesBadAddresses) {
  EXPECT_THAT(ErrorOf("contexts: {a: {address: \"h:99999\"}}\n"), HasSubstr("not an address"));
}

TEST(ConfigTest, FindsTheFile) {
  EXPECT_EQ(ConfigPath(Env({{"HOME", "/h"}})), "/h/.config/penstock/config.yaml");
  EXPECT_EQ(ConfigPath(Env({{"HOME", "/h"}, {"XDG_CONFIG_HOME", "/x"}})),
            "/x/penstock/config.yaml");
  EXPECT_EQ(ConfigPath(Env({{"HOME", "/h"}, {"PENSTOCK_CONFIG", "/c"}})), "/c");
  EXPECT_EQ(ConfigPath(Env({})), "");
}

TEST(ConfigTest, MissesOnlyAFileThatIsNamed) {
  EXPECT_TRUE(LoadConfig(Env({{"HOME", "/nonexistent"}})).ok());
  EXPECT_FALSE(LoadConfig(Env({{"PENSTOCK_CONFIG", "/nonexistent/c"}})).ok());
}

struct PrecedenceCase {
  const char* what;
  ConnectionFlags flags;
  std::map<std::string, std::string> env;
  bool with_file;
  std::string address;
  std::string name_space;
};

TEST(ConfigTest, TakesFlagsThenEnvironmentThenContextThenDefaults) {
  const PrecedenceCase cases[] = {
      {"defaults", {}, {}, false, "127.0.0.1:7400", "default"},
      {"current context", {}, {}, true, "127.0.0.1:7500", "default"},
      {"context by environment", {}, {{"PENSTOCK_CONTEXT", "prod"}}, true, "a:1", "sales"},
      {"environment over context",
       {},
       {{"PENSTOCK_CONTEXT", "prod"}, {"PENSTOCK_ADDRESS", "e:9"}},
       true,
       "e:9",
       "sales"},
      {"context flag over environment",
       {{}, {}, "prod"},
       {{"PENSTOCK_ADDRESS", "e:9"}, {"PENSTOCK_NAMESPACE", "env"}},
       true,
       "a:1",
       "sales"},
      {"a silent context leaves the environment",
       {{}, {}, "laptop"},
       {{"PENSTOCK_NAMESPACE", "env"}},
       true,
       "127.0.0.1:7500",
       "env"},
      {"flags over all",
       {"f:3", "flag", "prod"},
       {{"PENSTOCK_ADDRESS", "e:9"}, {"PENSTOCK_NAMESPACE", "env"}},
       true,
       "f:3",
       "flag"},
      {"empty variables are unset",
       {},
       {{"PENSTOCK_ADDRESS", ""}},
       true,
       "127.0.0.1:7500",
       "default"},
  };
  for (const PrecedenceCase& c : cases) {
    const auto settings = Resolve(c.flags, Env(c.env), c.with_file ? File() : ConfigFile());
    ASSERT_TRUE(settings.ok()) << c.what << settings.status();
    EXPECT_EQ(settings->addresses.front(), c.address) << c.what;
    EXPECT_EQ(settings->name_space, c.name_space) << c.what;
  }
}

TEST(ConfigTest, ListsKnownContextsWhenOneIsMissing) {
  const auto settings = Resolve({{}, {}, "nope"}, Env({}), File());
  EXPECT_THAT(std::string(settings.status().message()), HasSubstr("known: laptop, prod"));
}

TEST(ConfigTest, ParsesAddressLists) {
  const auto addresses = ParseAddresses("a:1, b ,[::1]:2,[::1],unix:/run/x");
  ASSERT_TRUE(addresses.ok()) << addresses.status();
  EXPECT_THAT(*addresses, ElementsAre("a:1", "b:7400", "[::1]:2", "[::1]:7400", "unix:/run/x"));
  for (const char* bad : {"", "a:", ":1", "a:0", "a:65536", "a:x", "a,,b", "::1", "http://a:1",
                          "a b:1", "[]:1", "user@a:1"}) {
    EXPECT_FALSE(ParseAddresses(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace penstock::client
