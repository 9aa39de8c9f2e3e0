#include "client/cli/text.h"

#include <gtest/gtest.h>

namespace penstock::client {
namespace {

TEST(TextTest, WritesOutWhatCouldSteerATerminal) {
  EXPECT_EQ(Printable("a\x1b[31mred\x1b[0m"), "a\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(Printable("one\ntwo\tthree\r"), "one\\ntwo\\tthree\\r");
  EXPECT_EQ(Printable(std::string_view("\0\x07\x7f", 3)), "\\x00\\x07\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");
  EXPECT_EQ(Printable("a\xe2\x80\xae"
                      "b"),
            "a\\u202eb");
  EXPECT_EQ(Printable("bad\xff\xc3"), "bad\\xff\\xc3");
  EXPECT_EQ(Printable("caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac"),
            "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac");
}

TEST(TextTest, KeepsLinesWhereTheyAreWanted) {
  EXPECT_EQ(PrintableLines("a\n\tb\x1b"), "a\n\tb\\x1b");
}

TEST(TextTest, LetsOnlyColoursOfALogThrough) {
  const std::string log = "\x1b[1;31mred\x1b[0m \x1b[2J \x1b]0;title\x07\r\nnext\n";
  EXPECT_EQ(PrintableLog(log, true), "\x1b[1;31mred\x1b[0m \\x1b[2J \\x1b]0;title\\x07\nnext\n");
  EXPECT_EQ(PrintableLog(log, false), "red \\x1b[2J \\x1b]0;title\\x07\nnext\n");
  EXPECT_EQ(PrintableLog("cut \x1b[3", true), "cut \\x1b[3");
}

TEST(TextTest, MeasuresColumns) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("caf\xc3\xa9"), 4u);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1u);
  EXPECT_EQ(DisplayWidth("\xe6\x97\xa5"), 2u);
}

TEST(TextTest, CutsAtColumns) {
  EXPECT_EQ(Truncate("abcdef", 6), "abcdef");
  EXPECT_EQ(Truncate("abcdefg", 6), "abc...");
  EXPECT_EQ(Truncate("abcdefg", 2), "..");
  EXPECT_EQ(Truncate("\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5", 5), "\xe6\x97\xa5...");
}

TEST(TextTest, WritesDurations) {
  EXPECT_EQ(FormatElapsed(absl::Milliseconds(850)), "850ms");
  EXPECT_EQ(FormatElapsed(absl::Milliseconds(12399)), "12.3s");
  EXPECT_EQ(FormatElapsed(absl::Seconds(125)), "2m05s");
  EXPECT_EQ(FormatElapsed(absl::Minutes(187)), "3h07m");
  EXPECT_EQ(FormatElapsed(absl::Hours(98)), "4d02h");
  EXPECT_EQ(FormatElapsed(absl::Seconds(-5)), "0ms");
}

TEST(TextTest, WritesAges) {
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  EXPECT_EQ(FormatAge(now + absl::Seconds(3), now), "just now");
  EXPECT_EQ(FormatAge(now - absl::Seconds(59), now), "59s ago");
  EXPECT_EQ(FormatAge(now - absl::Hours(25), now), "1d ago");
}

TEST(TextTest, QuotesForTheShell) {
  EXPECT_EQ(ShellQuote("load"), "load");
  EXPECT_EQ(ShellQuote("load[3]"), "'load[3]'");
  EXPECT_EQ(ShellQuote("it's"), "'it'\\''s'");
  EXPECT_EQ(ShellQuote(""), "''");
}

}  // namespace
}  // namespace penstock::client
