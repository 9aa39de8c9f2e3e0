#include "client/lib/utf8.h"

#include <gtest/gtest.h>

namespace penstock::client {
namespace {

TEST(Utf8Test, ReadsCharactersOfEveryLength) {
  EXPECT_EQ(FirstChar("a").code, U'a');
  EXPECT_EQ(FirstChar("\xc3\xa9z").code, U'é');
  EXPECT_EQ(FirstChar("\xe2\x82\xac").code, U'€');
  EXPECT_EQ(FirstChar("\xf0\x9f\x98\x80").bytes, 4u);
  EXPECT_EQ(FirstChar("").bytes, 0u);
}

TEST(Utf8Test, RefusesWhatIsNotWellFormed) {
  for (const char* text : {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                           "\xf8\x88\x80\x80\x80", "\xc3", "\xe2\x82", "ab\xff"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
  EXPECT_TRUE(IsUtf8("plain, é, €, \xf0\x9f\x98\x80"));
}

TEST(Utf8Test, MovesOneByteForwardAtABrokenCharacter) {
  const Utf8Char c = FirstChar("\xe2\x82!");
  EXPECT_FALSE(c.valid);
  EXPECT_EQ(c.bytes, 1u);
}

}  // namespace
}  // namespace penstock::client
