#include "client/cli/table.h"

#include <gtest/gtest.h>

namespace penstock::client {
namespace {

TEST(TableTest, AlignsColumnsAndTrimsLines) {
  Table table({"NAME", ">SLOTS", "NOTE"});
  table.Add({"warehouse", "20", ""});
  table.Add({"x", "3", "small"});
  EXPECT_EQ(table.Render(false),
            "NAME       SLOTS  NOTE\n"
            "warehouse     20\n"
            "x              3  small\n");
}

TEST(TableTest, ColoursWithoutDisturbingTheColumns) {
  Table table({"STATE", "ID"});
  table.Add({Cell("ok", Style::kGood), "1"});
  EXPECT_EQ(table.Render(true),
            "\x1b[1mSTATE\x1b[0m  \x1b[1mID\x1b[0m\n"
            "\x1b[32mok\x1b[0m     1\n");
}

TEST(TableTest, EscapesWhatItIsGiven) {
  Table table({"A"});
  table.Add({"x\x1b[2J\ny"});
  EXPECT_EQ(table.Render(false), "A\nx\\x1b[2J\\ny\n");
}

TEST(TableTest, CountsWideCharacters) {
  Table table({"A", "B"});
  table.Add({"\xe6\x97\xa5", "1"});
  table.Add({"abc", "2"});
  EXPECT_EQ(table.Render(false), "A    B\n\xe6\x97\xa5   1\nabc  2\n");
}

TEST(FieldsTest, LeavesOutWhatIsEmpty) {
  Fields fields;
  fields.Add("run", "42");
  fields.Add("reason", "");
  fields.Add("logical date", "2026");
  EXPECT_EQ(fields.Render(false), "run:          42\nlogical date: 2026\n");
}

}  // namespace
}  // namespace penstock::client
