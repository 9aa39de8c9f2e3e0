#include "client/cli/complete.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/help.h"

namespace penstock::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> Texts(const std::vector<std::string>& words, const Lookup& lookup = {}) {
  std::vector<std::string> texts;
  for (const Candidate& c : Complete(Commands(), words, lookup).candidates) texts.push_back(c.text);
  return texts;
}

TEST(CompleteTest, OffersCommands) {
  EXPECT_THAT(Texts({""}), Contains("dag"));
  EXPECT_THAT(Texts({""}), Contains("trigger"));
  EXPECT_THAT(Texts({"sta"}), ElementsAre("standalone"));
  EXPECT_THAT(Texts({"dag", "l"}), ElementsAre("lint", "list"));
  EXPECT_THAT(Texts({"-n", "sales", "pool", ""}), ElementsAre("list", "set", "delete"));
}

TEST(CompleteTest, OffersFlagsAndChoices) {
  EXPECT_THAT(Texts({"dag", "trigger", "etl", "--par"}), ElementsAre("--param", "--params"));
  EXPECT_THAT(Texts({"dag", "list", "--"}), Not(Contains("--param")));
  EXPECT_THAT(Texts({"run", "list", "-o", "json"}), ElementsAre("json", "jsonl"));
  EXPECT_THAT(Texts({"run", "list", "--output=y"}), ElementsAre("--output=yaml"));
  EXPECT_THAT(Texts({"run", "list", "--output", "=", "y"}), ElementsAre("yaml"));
  EXPECT_THAT(Texts({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
}

TEST(CompleteTest, AsksForFilesWhereTheyAreWanted) {
  EXPECT_TRUE(Complete(Commands(), {"apply", ""}, {}).files);
  EXPECT_TRUE(Complete(Commands(), {"apply", "a.yaml", "b"}, {}).files);
  EXPECT_TRUE(Complete(Commands(), {"trigger", "etl", "--params", ""}, {}).files);
  EXPECT_FALSE(Complete(Commands(), {"dag", "show", ""}, {}).files);
}

TEST(CompleteTest, AsksTheServerWithTheFlagsGiven) {
  const Lookup lookup = [](ValueKind kind, std::string_view run,
                           const std::map<std::string, std::string>& flags) {
    std::vector<Candidate> found;
    if (kind == ValueKind::kDag) found = {{"etl", "loads"}, {"report", ""}};
    if (kind == ValueKind::kTask) found = {{"of-" + std::string(run), ""}};
    if (kind == ValueKind::kPool) found = {{flags.at("namespace"), ""}};
    return found;
  };
  EXPECT_THAT(Texts({"dag", "show", "e"}, lookup), ElementsAre("etl"));
  EXPECT_THAT(Texts({"dag", "show", "etl", ""}, lookup), IsEmpty());
  EXPECT_THAT(Texts({"task", "logs", "-f", "42", ""}, lookup), ElementsAre("of-42"));
  EXPECT_THAT(Texts({"-nsales", "pool", "delete", ""}, lookup), ElementsAre("sales"));
}

TEST(CompleteTest, SurvivesNonsense) {
  EXPECT_THAT(Texts({}), Contains("dag"));
  EXPECT_THAT(Texts({"nope", "x", ""}), Contains("dag"));
  EXPECT_THAT(Texts({"--nope=", "--nope="}), IsEmpty());
  EXPECT_THAT(Texts({"-"}), Contains("--output"));
}

TEST(CompleteTest, HasAScriptForEachShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_THAT(CompletionScript(shell), HasSubstr("__complete --"));
  }
  EXPECT_EQ(CompletionScript("csh"), "");
}

TEST(HelpTest, ExplainsEveryCommand) {
  for (const CommandSpec& command : Commands().commands) {
    const std::string help = HelpCommand(Commands(), command);
    EXPECT_THAT(help, HasSubstr("Usage: penstock " + command.name()));
    EXPECT_THAT(help, HasSubstr("Examples:"));
    for (const FlagSpec& flag : command.flags) EXPECT_THAT(help, HasSubstr("--" + flag.name));
    EXPECT_THAT(HelpMarkdown(Commands()), HasSubstr("### penstock " + command.name() + "\n"));
  }
}

TEST(HelpTest, EscapesBarsInMarkdownTables) {
  EXPECT_THAT(HelpMarkdown(Commands()), HasSubstr("--output table\\|json\\|jsonl\\|yaml"));
}

TEST(HelpTest, ShowsUsage) {
  EXPECT_EQ(UsageLine(*Commands().Find("dag", "apply")), "penstock dag apply FILE... [flags]");
  EXPECT_EQ(UsageLine(*Commands().Find("run", "list")), "penstock run list [DAG] [flags]");
  EXPECT_EQ(UsageLine(*Commands().Find("pool", "list")), "penstock pool list");
}

}  // namespace
}  // namespace penstock::client
