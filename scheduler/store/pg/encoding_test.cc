// Arrays, texts, names and errors: what needs no database.
#include "gmock/gmock.h"
#include "scheduler/store/pg/arrays.h"
#include "scheduler/store/pg/errors.h"
#include "scheduler/store/pg/statements.h"
#include "scheduler/store/pg/text.h"

namespace penstock::pg {
namespace {

using ::testing::ElementsAre;

TEST(TextTest, KnowsWhatPostgreSqlStores) {
  for (const char* good : {"", "plain", "ü€\xF0\x9F\x90\xAB", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsStorableText(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC3", "\xC0\xAF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "a\xE2\x82"}) {
    EXPECT_FALSE(IsStorableText(bad)) << bad;
  }
  EXPECT_FALSE(IsStorableText(std::string_view("a\0", 2)));
}

TEST(ArrayTest, TextsGoThereAndBack) {
  const std::vector<std::string> values = {"", "a", "a,b", "\"", "\\", "{}", "NULL", " x "};
  EXPECT_EQ(*ParseTextArray(TextArray(values)), values);
  EXPECT_THAT(*ParseTextArray("{}"), ElementsAre());
  EXPECT_THAT(*ParseTextArray(""), ElementsAre());
  EXPECT_THAT(*ParseTextArray("{a,NULL,\"NULL\"}"), ElementsAre("a", "", "NULL"));
}

TEST(ArrayTest, IntegersGoThereAndBack) {
  const std::vector<int64_t> values = {0, -1, INT64_MAX, INT64_MIN};
  EXPECT_EQ(*ParseIntArray(IntArray(values)), values);
  EXPECT_THAT(*ParseIntArray("{NULL,5,NULL}"), ElementsAre(0, 5, 0));
  EXPECT_THAT(*ParseIntArray("{}"), ElementsAre());
}

TEST(ArrayTest, WhatIsNoArrayIsAnError) {
  for (const char* bad : {"{", "x", "{1", "1}", "{1;2}", "{1,}x", "{N}", "{1,x}"}) {
    EXPECT_EQ(ParseIntArray(bad).status().code(), absl::StatusCode::kDataLoss) << bad;
  }
  for (const char* bad : {"{", "x", "{\"a}", "{\"a\"b}", "{\"a\\"}) {
    EXPECT_EQ(ParseTextArray(bad).status().code(), absl::StatusCode::kDataLoss) << bad;
  }
}

TEST(ArrayTest, ColumnsOfZerosAtTheEndAreLeftOut) {
  MatrixBuilder matrix(4, 1);
  matrix.Add({1, 0, 0, 0});
  matrix.Add({2, -5, 0, 0});
  const std::string bytes = matrix.Finish();
  ASSERT_EQ(bytes.size(), 12U + 16U + 4U * 12U);
  EXPECT_EQ(bytes.substr(0, 4), std::string("\0\0\0\2", 4));
  EXPECT_EQ(bytes.substr(20, 4), std::string("\0\0\0\2", 4));  // two columns
  EXPECT_EQ(bytes.substr(bytes.size() - 2), "\xFF\xFB");
  MatrixBuilder zeros(4, 3);
  zeros.Add({0, 0, 0, 0});
  EXPECT_EQ(zeros.Finish().substr(20, 4), std::string("\0\0\0\3", 4));
  EXPECT_EQ(MatrixBuilder(4, 1).Finish().substr(0, 4), std::string(4, '\0'));
}

TEST(ArrayTest, ASectionWithABadTextIsRefused) {
  const std::vector<std::string> rows = {"good", "bad\xFF"};
  SectionBuilder section;
  section.Texts(rows, [](const std::string& r) -> std::string_view { return r; });
  EXPECT_EQ(section.Finish().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(StatementsTest, SchemaNamesArePlain) {
  for (const char* good : {"penstock", "_x", "team_b2"}) {
    EXPECT_TRUE(ValidateSchemaName(good).ok()) << good;
  }
  for (const std::string& bad : {std::string(), std::string("public"), std::string("pg_x"),
                                 std::string("Team"), std::string("a b"), std::string("a\"b"),
                                 std::string("1a"), std::string("a;drop"), std::string(49, 'a')}) {
    EXPECT_FALSE(ValidateSchemaName(bad).ok()) << bad;
  }
  EXPECT_EQ(RenderSql("{schema}.a, {schema}.b", "x"), "\"x\".a, \"x\".b");
}

TEST(ErrorsTest, KindsFollowTheSqlState) {
  EXPECT_EQ(KindOfSqlState("40001"), ErrorKind::kPassing);
  EXPECT_EQ(KindOfSqlState("55P03"), ErrorKind::kPassing);
  EXPECT_EQ(KindOfSqlState("57014"), ErrorKind::kPassing);
  EXPECT_EQ(KindOfSqlState("57P01"), ErrorKind::kLost);
  EXPECT_EQ(KindOfSqlState("08006"), ErrorKind::kLost);
  EXPECT_EQ(KindOfSqlState("53100"), ErrorKind::kPassing);
  EXPECT_EQ(KindOfSqlState("25006"), ErrorKind::kPassing);
  EXPECT_EQ(KindOfSqlState("23505"), ErrorKind::kRefused);
  EXPECT_EQ(KindOfSqlState("22021"), ErrorKind::kRefused);
  EXPECT_EQ(KindOfSqlState("42P01"), ErrorKind::kBug);
  EXPECT_EQ(KindOfSqlState(""), ErrorKind::kBug);
}

TEST(ErrorsTest, StatusesCarryTheCodeThatCallersBranchOn) {
  EXPECT_TRUE(ToStatus({}).ok());
  EXPECT_EQ(ToStatus({ErrorKind::kRefused, "23505", "x"}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ToStatus({ErrorKind::kRefused, "23514", "x"}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ToStatus({ErrorKind::kDeposed, "PS002", "x"}).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ToStatus({ErrorKind::kPassing, "40001", "x"}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(FirstLine("ERROR:  23505: duplicate\nDETAIL: x"), "23505: duplicate");
}

}  // namespace
}  // namespace penstock::pg
