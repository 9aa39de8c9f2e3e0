#include "client/cli/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/base/status.h"

namespace penstock::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Invocation MustParse(const std::vector<std::string>& words) {
  auto result = Parse(Commands(), words, nullptr);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : Invocation();
}

std::string ErrorOf(const std::vector<std::string>& words) {
  return std::string(Message(Parse(Commands(), words, nullptr).status()));
}

std::string HintOf(const std::vector<std::string>& words) {
  std::string hint;
  (void)Parse(Commands(), words, &hint);
  return hint;
}

TEST(ParseTest, FindsCommandArgumentsAndFlags) {
  const Invocation call =
      MustParse({"dag", "trigger", "etl", "-p", "a=1", "--param=b=2", "--watch"});
  EXPECT_EQ(call.command->name(), "dag trigger");
  EXPECT_THAT(call.args, ElementsAre("etl"));
  EXPECT_THAT(call.All("param"), ElementsAre("a=1", "b=2"));
  EXPECT_TRUE(call.Has("watch"));
}

std::string CommandOf(const std::vector<std::string>& words) {
  const Invocation call = MustParse(words);
  return call.command == nullptr ? "" : std::string(call.command->name());
}

TEST(ParseTest, UnderstandsShortForms) {
  EXPECT_EQ(CommandOf({"apply", "x.yaml"}), "dag apply");
  EXPECT_EQ(CommandOf({"trigger", "etl"}), "dag trigger");
}

TEST(ParseTest, TakesGlobalFlagsAnywhere) {
  EXPECT_EQ(MustParse({"-n", "sales", "run", "-ojson", "list"}).Text("namespace"), "sales");
  EXPECT_EQ(MustParse({"run", "list", "-o", "yaml"}).Text("output"), "yaml");
  EXPECT_EQ(MustParse({"run", "list", "-o=yaml"}).Text("output"), "yaml");
}

TEST(ParseTest, JoinsShortSwitches) {
  const Invocation call = MustParse({"task", "logs", "42", "load", "-ft4k"});
  EXPECT_TRUE(call.Has("follow"));
  EXPECT_EQ(call.Size("tail"), 4000);
}

TEST(ParseTest, EndsFlagsAtTwoDashes) {
  EXPECT_THAT(MustParse({"dag", "init", "--", "--x"}).args, ElementsAre("--x"));
  EXPECT_THAT(MustParse({"dag", "lint", "-"}).args, ElementsAre("-"));
}

TEST(ParseTest, GuessesWhatWasMeant) {
  EXPECT_THAT(ErrorOf({"dga", "list"}), HasSubstr("did you mean \"dag\"?"));
  EXPECT_THAT(ErrorOf({"aply", "x"}), HasSubstr("did you mean \"apply\"?"));
  EXPECT_THAT(ErrorOf({"dag", "tigger"}), HasSubstr("did you mean \"dag trigger\"?"));
  EXPECT_THAT(ErrorOf({"dag", "trigger", "x", "--wach"}), HasSubstr("did you mean \"--watch\"?"));
  EXPECT_THAT(ErrorOf({"run", "list", "--output=jsn"}), HasSubstr("did you mean \"json\"?"));
  EXPECT_EQ(ErrorOf({"xyzzy"}), "there is no command \"xyzzy\"");
}

TEST(ParseTest, SaysWhereToLook) {
  EXPECT_EQ(HintOf({"nope"}), "penstock --help");
  EXPECT_EQ(HintOf({"dag", "nope"}), "penstock dag --help");
  EXPECT_EQ(HintOf({"dag", "list", "--nope"}), "penstock dag list --help");
}

TEST(ParseTest, ChecksNumbersOfArguments) {
  EXPECT_THAT(ErrorOf({"dag", "show"}), HasSubstr("\"dag show\" needs DAG"));
  EXPECT_THAT(ErrorOf({"dag", "show", "a", "b"}), HasSubstr("takes 1 argument, so what is \"b\"?"));
  EXPECT_THAT(ErrorOf({"pool", "list", "x"}), HasSubstr("takes no arguments"));
  EXPECT_THAT(ErrorOf({"task", "show", "42"}), HasSubstr("needs TASK"));
  EXPECT_THAT(ErrorOf({"dag"}), HasSubstr("what to do with \"dag\"? One of: init, lint"));
  EXPECT_THAT(MustParse({"dag", "lint", "a", "b", "c"}).args, ElementsAre("a", "b", "c"));
}

TEST(ParseTest, ChecksValues) {
  EXPECT_THAT(ErrorOf({"run", "list", "--limit", "ten"}),
              HasSubstr("--limit: \"ten\" is not a number"));
  EXPECT_THAT(ErrorOf({"run", "list", "--limit", "-1"}), HasSubstr("is not a number"));
  EXPECT_THAT(ErrorOf({"run", "list", "--retry-for", "5"}), HasSubstr("is not a duration"));
  EXPECT_THAT(ErrorOf({"task", "logs", "1", "t", "--tail", "x"}), HasSubstr("is not a size"));
  EXPECT_THAT(ErrorOf({"run", "list", "--state", "lost"}),
              HasSubstr("is not one of queued, running"));
  EXPECT_THAT(ErrorOf({"run", "list", "-n"}), HasSubstr("--namespace needs a value"));
  EXPECT_THAT(ErrorOf({"run", "list", "-n", ""}), HasSubstr("is empty"));
  EXPECT_THAT(ErrorOf({"run", "list", "--help=x"}), HasSubstr("takes no value"));
  EXPECT_THAT(ErrorOf({"run", "list", "-n", "a", "-n", "b"}), HasSubstr("is given twice"));
  EXPECT_THAT(ErrorOf({"pool", "set", "p", "many"}), HasSubstr("SLOTS: \"many\" is not a number"));
  EXPECT_THAT(ErrorOf({"completion", "csh"}), HasSubstr("SHELL: \"csh\" is not one of"));
}

TEST(ParseTest, RefusesFlagsBeforeTheirCommand) {
  EXPECT_THAT(ErrorOf({"--watch", "trigger", "x"}),
              HasSubstr("a command's own flags come after it"));
}

TEST(ParseTest, RefusesBytesThatAreNotUtf8AndEscapesErrors) {
  EXPECT_THAT(ErrorOf({"dag", "show", "\xff"}), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(ErrorOf({"dag", "list", "--note=\xff"}), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(ErrorOf({"\x1b[2J"}), HasSubstr("\\x1b[2J"));
}

TEST(ParseTest, LeavesIncompleteLinesToHelp) {
  EXPECT_TRUE(MustParse({"dag", "show", "--help"}).help);
  EXPECT_EQ(MustParse({"dag", "-h"}).noun, "dag");
  EXPECT_EQ(MustParse({}).command, nullptr);
}

// The table must not contradict itself.
TEST(CommandTableTest, HasNoTwoFlagsOfOneNameOrLetter) {
  for (const CommandSpec& command : Commands().commands) {
    std::set<std::string> names;
    std::set<char> letters;
    for (const auto* flags : {&Commands().globals, &command.flags}) {
      for (const FlagSpec& flag : *flags) {
        EXPECT_TRUE(names.insert(flag.name).second) << command.name() << " --" << flag.name;
        EXPECT_TRUE(flag.letter == 0 || letters.insert(flag.letter).second)
            << command.name() << " -" << flag.letter;
      }
    }
  }
}

TEST(CommandTableTest, HasAHandlerASummaryAndSoundExamples) {
  for (const CommandSpec& command : Commands().commands) {
    EXPECT_NE(command.handler, nullptr) << command.name();
    EXPECT_FALSE(command.summary.empty()) << command.name();
    EXPECT_FALSE(command.examples.empty()) << command.name();
    EXPECT_TRUE(command.verb.empty() || Commands().FindNoun(command.noun) != nullptr);
  }
}

// Splits at blanks, keeps what stands in single quotes together, and stops at a redirection.
std::vector<std::string> ShellWords(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool quoted = false;
  for (const char c : line + " ") {
    if (c == '\'') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      if (word == ">") break;
      if (!word.empty()) words.push_back(word);
      word.clear();
    } else {
      word += c;
    }
  }
  return words;
}

TEST(CommandTableTest, ShowsExamplesThatParseAsTheirCommand) {
  for (const CommandSpec& command : Commands().commands) {
    for (const std::string& example : command.examples) {
      const auto call = Parse(Commands(), ShellWords(example), nullptr);
      ASSERT_TRUE(call.ok()) << example << ": " << call.status();
      EXPECT_EQ(call->command, &command) << example;
    }
  }
}

}  // namespace
}  // namespace penstock::client
