#include "scheduler/api/validate.h"

#include <string>

#include "common/testing/status_matchers.h"
#include "scheduler/api/convert.h"
#include "scheduler/api/cursor.h"
#include "scheduler/api/utf8.h"

namespace penstock::api {
namespace {

using ::penstock::testing::IsOk;
using ::penstock::testing::IsOkAndHolds;
using ::penstock::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(CheckerTest, NamesEveryProblemAtOnce) {
  Checker check;
  check.Name("name", "");
  check.Range("slots", -1, 0, 10);
  check.Text("note", std::string("a\0b", 3), 100);
  EXPECT_THAT(check.Result(),
              StatusIs(kInvalid, AllOf(HasSubstr("name: must be given"), HasSubstr("slots: -1"),
                                       HasSubstr("note: must be UTF-8"))));
}

TEST(CheckerTest, AcceptsANewNameOnlyIfItCanStandInAPathAndAFile) {
  for (const char* good : {"etl", "_x", "a.b-c_1"}) {
    Checker check;
    check.NewName("name", good);
    EXPECT_THAT(check.Result(), IsOk()) << good;
  }
  for (const char* bad : {"1a", "a/b", "a..b", "a b", "", "-x"}) {
    Checker check;
    check.NewName("name", bad);
    EXPECT_THAT(check.Result(), StatusIs(kInvalid)) << bad;
  }
}

TEST(CheckerTest, WantsARunByItsIdOrByItsDagAndKey) {
  const auto result = [](int64_t id, const char* dag, const char* key) {
    v1::RunRef ref;
    ref.set_id(id);
    ref.set_dag(dag);
    ref.set_key(key);
    Checker check;
    check.Run(ref);
    return check.Result();
  };
  EXPECT_THAT(result(5, "", ""), IsOk());
  EXPECT_THAT(result(0, "d", "k"), IsOk());
  EXPECT_THAT(result(0, "", ""), StatusIs(kInvalid));
  EXPECT_THAT(result(5, "d", "k"), StatusIs(kInvalid, HasSubstr("not both")));
  EXPECT_THAT(result(-5, "", ""), StatusIs(kInvalid));
  EXPECT_THAT(result(0, "d", ""), StatusIs(kInvalid, HasSubstr("run.key")));
}

TEST(CheckerTest, CutsAnEndlessListOfProblems) {
  Checker check;
  for (int i = 0; i < 60; ++i) check.Problem("f", "bad");
  EXPECT_THAT(check.Result(), StatusIs(kInvalid, HasSubstr("and 10 more problems")));
}

TEST(Utf8Test, RefusesOverlongSurrogateAndTruncatedForms) {
  EXPECT_EQ(ValidUtf8Prefix("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), 10u);
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF0\x80\x80\x80", "\xE2\x82", "\x80", "\xFF"}) {
    EXPECT_EQ(ValidUtf8Prefix(bad), 0u);
  }
}

TEST(RepairTextTest, ReplacesWhatCannotBeStoredAndCutsAtACharacter) {
  EXPECT_EQ(RepairText("plain", 100), "plain");
  EXPECT_EQ(RepairText(std::string("a\0b", 3), 100),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(RepairText("a\xFFz", 100), "a\xEF\xBF\xBDz");
  EXPECT_EQ(RepairText("ab\xE2\x82\xAC", 4), "ab");
  EXPECT_LE(RepairText(std::string(10'000, '\xFF'), 100).size(), 100u);
}

TEST(CursorTest, ReadsWhatItHasMadeForTheSameListOnly) {
  const std::string cursor = MakeCursor("dags", "etl:x");
  EXPECT_THAT(ReadCursor("dags", cursor), IsOkAndHolds(std::string("etl:x")));
  EXPECT_THAT(ReadCursor("dags", ""), IsOkAndHolds(std::string()));
  EXPECT_THAT(ReadCursor("runs", cursor), StatusIs(kInvalid, HasSubstr("cursor")));
  EXPECT_THAT(ReadCursor("dags", "%%%"), StatusIs(kInvalid));
}

TEST(CursorTest, RefusesANumberCursorThatIsNone) {
  EXPECT_THAT(ReadNumberCursor("runs", MakeCursor("runs", "17")), IsOkAndHolds(int64_t{17}));
  EXPECT_THAT(ReadNumberCursor("runs", ""), IsOkAndHolds(int64_t{0}));
  for (const char* bad : {"-1", "1x", "99999999999999999999", "x"}) {
    EXPECT_THAT(ReadNumberCursor("runs", MakeCursor("runs", bad)), StatusIs(kInvalid)) << bad;
  }
}

TEST(RunIdOfKeyTest, ReadsTheOneFormThatPenstockMakes) {
  EXPECT_EQ(RunIdOfKey("run-70"), RunId(70));
  for (const char* other : {"run-", "run-0", "run-070", "run--7", "run-7x", "Run-7", "7"}) {
    EXPECT_EQ(RunIdOfKey(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace penstock::api
