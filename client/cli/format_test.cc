#include "client/cli/format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/cli/yaml.h"
#include "common/dag/yaml_tree.h"
#include "penstock/v1/control.pb.h"

namespace penstock::client {
namespace {

v1::Pool MakePool(const std::string& name) {
  v1::Pool pool;
  pool.set_name(name);
  pool.set_slots(3);
  return pool;
}

TEST(FormatTest, PrintsProtobufJsonWithFieldNames) {
  v1::Run run;
  run.set_id(42);
  run.set_state(v1::RUN_STATE_RUNNING);
  const std::string json = Render(run, Format::kJsonl);
  EXPECT_NE(json.find("\"id\":\"42\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"state\":\"RUN_STATE_RUNNING\""), std::string::npos);
  EXPECT_NE(json.find("\"version_number\":0"), std::string::npos);
  EXPECT_EQ(json.find("started_at"), std::string::npos);
  EXPECT_EQ(json.back(), '\n');
}

TEST(FormatTest, PrintsListsInEveryFormat) {
  const v1::Pool a = MakePool("a");
  const v1::Pool b = MakePool("b");
  EXPECT_EQ(RenderList({&a, &b}, Format::kJsonl),
            "{\"namespace\":\"\",\"name\":\"a\",\"slots\":3,\"used\":0,\"waiting\":0,"
            "\"description\":\"\"}\n"
            "{\"namespace\":\"\",\"name\":\"b\",\"slots\":3,\"used\":0,\"waiting\":0,"
            "\"description\":\"\"}\n");
  EXPECT_EQ(RenderList({&a}, Format::kYaml),
            "- namespace: \"\"\n  name: a\n  slots: 3\n  used: 0\n  waiting: 0\n"
            "  description: \"\"\n");
  const std::string json = RenderList({&a, &b}, Format::kJson);
  EXPECT_EQ(json.substr(0, 4), "[\n{\n");
  EXPECT_EQ(json.substr(json.size() - 4), "}\n]\n");
}

TEST(FormatTest, PrintsEmptyLists) {
  EXPECT_EQ(RenderList({}, Format::kJson), "[]\n");
  EXPECT_EQ(RenderList({}, Format::kJsonl), "");
  EXPECT_EQ(RenderList({}, Format::kYaml), "[]\n");
}

TEST(YamlTest, NestsMapsAndLists) {
  EXPECT_EQ(JsonToYaml(R"({"a":{"b":[1,{"c":null,"d":[]}]},"e":{}})"),
            "a:\n  b:\n  - 1\n  - c: null\n    d: []\ne: {}\n");
  EXPECT_EQ(JsonToYaml(R"([[1,2],["x"]])"), "- - 1\n  - 2\n- - x\n");
}

TEST(YamlTest, QuotesWhatAReaderCouldMistake) {
  for (const char* text : {"true", "no", "Yes", "null",     "~",          "12",   "1e3", "0x1f",
                           "",     " a", "a ",  "- a",      "a: b",       "a #b", "*x",  "&x",
                           "!x",   "%x", "@x",  "12:30:00", "2026-01-02", "=",    "x:"}) {
    const std::string yaml = ToYaml(text);
    EXPECT_EQ(yaml.front(), '"') << text;
  }
  EXPECT_EQ(ToYaml("plain text, with: no"), "\"plain text, with: no\"\n");
  EXPECT_EQ(ToYaml("plain text"), "plain text\n");
  EXPECT_EQ(ToYaml("\x1b[2J"), "\"\\u001b[2J\"\n");
}

// What the strict reader of DAG files makes of `text` when it is written as the value of a key.
std::string ReadBack(const std::string& text) {
  const std::string yaml = ToYaml({{"k", text}, {"next", 1}});
  dag::Problems problems(5);
  dag::YamlTree tree;
  if (!tree.Read(yaml, dag::Limits(), &problems)) return "unreadable: " + yaml;
  std::string value = "missing";
  tree.ForEachEntry(tree.root(), [&](const dag::Node& key, const dag::Node& node) {
    if (key.text == "k") value = std::string(node.text);
  });
  return value;
}

TEST(YamlTest, IsReadBackAsItWas) {
  for (const std::string text : {"x", "a\nb\n", "a\nb", "  a\nb\n", "a\n\n\nb\n", "a\n\n", "\na",
                                 "a\n  b\n", "tab\there\nb", "quote\"and\\backslash", "caf\xc3\xa9",
                                 "a: b\nc: d\n", "# no comment\nx\n", "trailing \nx"}) {
    EXPECT_EQ(ReadBack(text), text);
  }
}

}  // namespace
}  // namespace penstock::client
