// The generated descriptions, the documentation and the examples stay true.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "common/dag/expr.h"
#include "common/dag/spec.h"
#include "common/dag/value.h"

namespace penstock::dag {
namespace {

using ::testing::HasSubstr;

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

const std::filesystem::path kSource = PENSTOCK_SOURCE_DIR;

TEST(SchemaTest, IsJsonAndKnowsEveryDefinitionItUses) {
  const auto schema = Value::FromJson(JsonSchema());
  ASSERT_TRUE(schema.ok()) << schema.status();
  const Value::Object& root = schema->as_object();
  const Value::Object& definitions = root.at("$defs").as_object();
  EXPECT_TRUE(root.at("properties").as_object().contains("tasks"));
  const Value::Object& task = definitions.at("task").as_object().at("properties").as_object();
  for (const char* key : {"sh", "exec", "noop", "needs", "retries"})
    EXPECT_TRUE(task.contains(key));
  EXPECT_FALSE(definitions.at("defaults").as_object().at("properties").as_object().contains("sh"));
  const std::string text = schema->ToJson();
  constexpr std::string_view kUse = "\"#/$defs/";
  for (size_t at = text.find(kUse); at != std::string::npos; at = text.find(kUse, at + 1)) {
    const size_t begin = at + kUse.size();
    const std::string name = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_TRUE(definitions.contains(name)) << name;
  }
}

TEST(SchemaTest, TheReferenceHoldsTheGeneratedTables) {
  const std::string page = ReadFile(kSource / "docs" / "dag-file.md");
  EXPECT_THAT(page, HasSubstr(DescribeKeys()));
  EXPECT_THAT(page, HasSubstr(DescribeFunctions()));
}

TEST(ExamplesTest, AllAreSound) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++seen;
    for (const Problem& problem : ParseDag(ReadFile(entry.path())).problems) {
      ADD_FAILURE() << ToString(problem, entry.path().string());
    }
  }
  EXPECT_GE(seen, 3);
}

}  // namespace
}  // namespace penstock::dag
