#include "common/dag/expr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace penstock::dag {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Value Json(std::string_view text) { return *Value::FromJson(text); }

Context TestContext() {
  Context context;
  context.run_id = "42";
  context.run_key = "manual-1";
  context.logical_date = "2024-02-28T23:30:00Z";
  context.params = Json(R"({"region":"eu","n":5,"half":0.5,"flag":true,"none":null,
                            "list":["a","b"],"nested":{"x":{"y":[10,20]}}})");
  context.outputs["load"] = Json(R"({"rows":7,"files":["x.csv","y.csv"]})");
  context.outputs["a-b.c"] = Json(R"({"k":"v"})");
  context.namespace_name = "sales";
  context.dag = "orders";
  context.attempt = 3;
  return context;
}

// The value as JSON, or the error's text.
std::string Eval(const std::string& expression) {
  const auto compiled = Template::Compile("${{ " + expression + " }}");
  if (!compiled.ok()) return std::string(compiled.status().message());
  const auto value = compiled->Evaluate(TestContext());
  return value.ok() ? value->ToJson() : std::string(value.status().message());
}

std::string Render(const std::string& text) {
  const auto compiled = Template::Compile(text);
  if (!compiled.ok()) return std::string(compiled.status().message());
  const auto value = compiled->Render(TestContext());
  return value.ok() ? *value : std::string(value.status().message());
}

struct Case {
  std::string expression;
  std::string result;  // a part of it when it starts with "~"
};
class ExprTest : public ::testing::TestWithParam<Case> {};

TEST_P(ExprTest, Evaluates) {
  const auto& [expression, result] = GetParam();
  if (result.starts_with('~')) {
    EXPECT_THAT(Eval(expression), HasSubstr(result.substr(1))) << expression;
  } else {
    EXPECT_EQ(Eval(expression), result) << expression;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Literals, ExprTest,
    ::testing::Values(Case{"null", "null"}, Case{"true", "true"}, Case{"12", "12"},
                      Case{"1.5", "1.5"}, Case{"2e3", "2000.0"}, Case{"'a\"b'", R"("a\"b")"},
                      Case{R"("it's")", R"("it's")"}, Case{R"("\u00e4\n\\")", R"("ä\n\\")"},
                      Case{"[1, 'a', [], ]", R"([1,"a",[]])"}, Case{"'}}'", R"("}}")"},
                      Case{"9223372036854775807", "9223372036854775807"},
                      Case{"9223372036854775808", "~does not fit 64 bits"},
                      Case{"1e999", "~too large"}, Case{"12ab", "~must not run into a name"},
                      Case{"'a", "~the string is not closed"}, Case{R"("\x")", "~unknown escape"},
                      Case{R"("\u0000")", "~unknown escape"}));

INSTANTIATE_TEST_SUITE_P(
    Operators, ExprTest,
    ::testing::Values(Case{"1 + 2 * 3", "7"}, Case{"(1 + 2) * 3", "9"}, Case{"7 / 2", "3"},
                      Case{"-7 / 2", "-3"}, Case{"7 % 3", "1"}, Case{"7 / 2.0", "3.5"},
                      Case{"1 - 2 - 3", "-4"}, Case{"- 5 + 1", "-4"}, Case{"'a' + 'b'", "\"ab\""},
                      Case{"1 < 2", "true"}, Case{"2 <= 1.5", "false"}, Case{"'a' < 'b'", "true"},
                      Case{"1 == 1.0", "true"}, Case{"1 == '1'", "false"},
                      Case{"[1, 2] == [1, 2.0]", "true"}, Case{"null == null", "true"},
                      Case{"1 != 2", "true"},
                      Case{"9007199254740993 == 9007199254740992.0", "false"},
                      Case{"9223372036854775807 < 9223372036854775808.0", "true"},
                      Case{"true && false || true", "true"}, Case{"!true == false", "true"},
                      Case{"false && 1 / 0 == 1", "false"}, Case{"true || params.missing", "true"},
                      Case{"1 < 2 ? 'y' : 'n'", "\"y\""}, Case{"false ? 1 : true ? 2 : 3", "2"},
                      Case{"true ? 1 : 1 / 0", "1"}, Case{"'a' in params.list", "true"},
                      Case{"'x' in params.nested", "true"}, Case{"'b' in 'abc'", "true"},
                      Case{"3 in [1, 2]", "false"}));

INSTANTIATE_TEST_SUITE_P(
    Errors, ExprTest,
    ::testing::Values(
        Case{"1 / 0", "~division by zero"}, Case{"1 % 0", "~division by zero"},
        Case{"1.0 / 0", "~division by zero"}, Case{"9223372036854775807 + 1", "~integer overflow"},
        Case{"-9223372036854775807 - 2", "~integer overflow"},
        Case{"4611686018427387904 * 2", "~integer overflow"},
        Case{"(-9223372036854775807 - 1) / -1", "~integer overflow"},
        Case{"(-9223372036854775807 - 1) % -1", "0"},
        Case{"-(-9223372036854775807 - 1)", "~overflow"}, Case{"1e308 * 10", "~too large"},
        Case{"1 + 'a'", "~cannot calculate with integer and string"},
        Case{"1 < 'a'", "~cannot compare integer and string"},
        Case{"1 && true", "~\"&&\" needs a boolean"}, Case{"!1", "~\"!\" needs a boolean"},
        Case{"1 ? 2 : 3", "~\"?\" needs a boolean"}, Case{"1 in 2", "~cannot use \"in\""},
        Case{"1 < 2 < 3", "~comparisons do not chain"}, Case{"1 = 2", "~equality is =="},
        Case{"1 & 2", "~is &&"}, Case{"", "~the expression is empty"},
        Case{"1 2", "~unexpected number"}, Case{"(1", "~expected \")\""},
        Case{"[1", "~expected \"]\""}, Case{"1 +", "~expected a value"},
        Case{"a ? b", "~there is no \"a\" here"}, Case{"@", "~unexpected character"}));

INSTANTIATE_TEST_SUITE_P(
    Access, ExprTest,
    ::testing::Values(
        Case{"params.region", "\"eu\""}, Case{"params['n']", "5"},
        Case{"params['re' + 'gion']", "\"eu\""}, Case{"params.nested.x.y[1]", "20"},
        Case{"params.list[0]", "\"a\""},
        Case{"params.list[2]", "~there is no element 2 in an array of 2"},
        Case{"params.list[-1]", "~there is no element -1"},
        Case{"params.missing", "~there is no parameter \"missing\""},
        Case{"params.nested.z", "~there is no \"z\" in the object"},
        Case{"params.none.z", "~null has no \"z\""},
        Case{"params.n.z", "~only an object has fields"}, Case{"tasks.load.output.rows", "7"},
        Case{"tasks.load.output['files'][1]", "\"y.csv\""},
        Case{"tasks['a-b.c'].output.k", "\"v\""},
        Case{"tasks.load.output", R"({"files":["x.csv","y.csv"],"rows":7})"},
        Case{"tasks.load.output.nope", "~task \"load\" has no output \"nope\""},
        Case{"tasks.other.output.x", "~task \"other\" has no outputs"},
        Case{"tasks.load.rows", "~expected tasks.ID.output"},
        Case{"tasks[params.n].output", "~expected tasks.ID"}, Case{"run.id", "\"42\""},
        Case{"run.key", "\"manual-1\""}, Case{"run.logical_date", "\"2024-02-28T23:30:00Z\""},
        Case{"run.interval.start", "~not supported yet"}, Case{"run.ids", "~(did you mean id?)"},
        Case{"run", "~expected run.id"}, Case{"namespace", "\"sales\""}, Case{"dag", "\"orders\""},
        Case{"attempt", "3"}, Case{"secrets.x", "~\"secrets\" is not supported yet"},
        Case{"vars.x", "~not supported yet"}, Case{"item", "~\"item\" is not supported yet"},
        Case{"parms.x", "~(did you mean params?)"}));

INSTANTIATE_TEST_SUITE_P(
    Functions, ExprTest,
    ::testing::Values(
        Case{"default(params.none, 1)", "1"}, Case{"default(params.missing, 1)", "1"},
        Case{"default(params.nested.q.r, 'x')", "\"x\""}, Case{"default(params.n, 1 / 0)", "5"},
        Case{"default(1 / 0, 1)", "~division by zero"},
        Case{"default(tasks.load.output.q, [])", "[]"}, Case{"size('grüße')", "5"},
        Case{"size(params.list)", "2"}, Case{"size(params.nested)", "1"},
        Case{"size(1)", "~size: expected a string"}, Case{"lower('ABc')", "\"abc\""},
        Case{"upper('abC')", "\"ABC\""}, Case{"trim(' a b\\n')", "\"a b\""},
        Case{"trim('  ')", "\"\""}, Case{"contains('abc', 'bc')", "true"},
        Case{"contains([1, 2], 2)", "true"}, Case{"starts_with('abc', 'ab')", "true"},
        Case{"ends_with('abc', 'bc')", "true"}, Case{"replace('a-b-c', '-', '+')", "\"a+b+c\""},
        Case{"replace('a', '', 'b')", "~must not be empty"},
        Case{"join(params.list, ', ')", "\"a, b\""},
        Case{"join([1, null, true], '-')", "\"1--true\""},
        Case{"split('a,b,', ',')", R"(["a","b",""])"}, Case{"split('a', '')", "~must not be empty"},
        Case{"int('0o17')", "15"}, Case{"int(-1.9)", "-1"},
        Case{"int('x')", "~\"x\" is not an integer"}, Case{"int(1e30)", "~too large"},
        Case{"int(null)", "~must be a string"}, Case{"number('1.5')", "1.5"},
        Case{"number(2)", "2.0"}, Case{"number('.inf')", "~not a number"},
        Case{"number('0x10')", "~not a number"}, Case{"string(1.50)", "\"1.5\""},
        Case{"string(params.list)", R"("[\"a\",\"b\"]")"},
        Case{"json(params.nested)", R"("{\"x\":{\"y\":[10,20]}}")"},
        Case{"json('a')", R"("\"a\"")"}, Case{"from_json('{\"a\": [1]}').a[0]", "1"},
        Case{"from_json('{')", "~not valid JSON at byte"}, Case{"keys(params.nested)", "[\"x\"]"},
        Case{"min(3, 1.5, 2)", "1.5"}, Case{"max(1, 2)", "2"},
        Case{"max('a')", "~expected a number"},
        Case{"lenght('a')", "~there is no function \"lenght\""},
        Case{"loewr('a')", "~(did you mean lower?)"},
        Case{"lower()", "~wrong number of arguments: lower(text)"},
        Case{"lower(1)", "~must be a string"}));

INSTANTIATE_TEST_SUITE_P(
    Dates, ExprTest,
    ::testing::Values(
        Case{"date_add(run.logical_date, '1d')", "\"2024-02-29T23:30:00Z\""},
        Case{"date_add('2024-03-01', '-1m')", "\"2024-02-29T23:59:00Z\""},
        Case{"date_add('2024-03-01T01:00:00+02:00', '0')", "\"2024-02-29T23:00:00Z\""},
        Case{"date_add('2024-03-01T00:00:00.250Z', '250ms')", "\"2024-03-01T00:00:00.5Z\""},
        Case{"date_add('yesterday', '1d')", "~\"yesterday\" is not a date"},
        Case{"date_add('2024-02-30', '1d')", "~is not a date"},
        Case{"date_add('infinite-future', '1d')", "~is not a date"},
        Case{"date_add('9999-12-31', '1d')", "~years 1 to 9999"},
        Case{"date_add('2024-01-01', '1y')", "~\"1y\" is not a duration"},
        Case{"date_add(null, '1d')", "~argument 1 must be a string, not null"},
        Case{"format(run.logical_date, '%Y/%m/%d %H:%M:%S %j %%')",
             "\"2024/02/28 23:30:00 059 %\""},
        Case{"format('2024-03-01', '%F %T %s')", "\"2024-03-01 00:00:00 1709251200\""},
        Case{"format('2024-03-01', '%Z')", "~a date pattern knows"},
        Case{"format('2024-03-01', '%')", "~must not end with a single %"}));

TEST(TemplateTest, SplicesValuesAndLeavesTheShellAlone) {
  EXPECT_EQ(Render("echo ${{params.region}} ${X} $Y ${{ params.n }}$"), "echo eu ${X} $Y 5$");
  EXPECT_EQ(Render("${{ params.none }}|${{ params.flag }}|${{ params.list }}"),
            R"(|true|["a","b"])");
  EXPECT_EQ(Render("no expression }} here"), "no expression }} here");
  EXPECT_EQ(Render(R"(${{ "${{" }})"), "${{");
  EXPECT_EQ(Render("${{ 1 }}${{ 2 }}"), "12");
  EXPECT_EQ(Render(""), "");
}

TEST(TemplateTest, OnlyASingleExpressionKeepsItsType) {
  EXPECT_EQ(Template::Compile("${{ 5 }}")->Evaluate({})->type(), Value::Type::kInt);
  EXPECT_EQ(Template::Compile(" ${{ 5 }}")->Evaluate({})->type(), Value::Type::kString);
  EXPECT_EQ(Template::Compile("5")->Evaluate({})->as_string(), "5");
  EXPECT_EQ(Template::Compile("${{ 1 }}${{ 2 }}")->Evaluate({})->as_string(), "12");
}

TEST(TemplateTest, ListsWhatItRefersTo) {
  const auto compiled = Template::Compile(
      "${{ params.a + params['b'] }} ${{ default(tasks.t.output.k, tasks['u-v'].output) }} "
      "${{ run.id }}${{ params }}");
  ASSERT_TRUE(compiled.ok());
  std::vector<std::string> shown;
  for (const Reference& r : compiled->References()) {
    shown.push_back(r.name + "/" + r.output + "@" + std::to_string(r.offset));
  }
  EXPECT_THAT(shown, ElementsAre("a/@4", "b/@15", "t/k@42", "u-v/@60", "run.id/@88", "/@101"));
}

TEST(TemplateTest, ErrorsNameThePlace) {
  Template out;
  const auto error = Template::Check("echo ${{ params.a + }}", {}, &out);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->offset, 20U);
  EXPECT_THAT(Render("x ${{ 1 / 0 }}"), HasSubstr("in ${{ 1 / 0 }}: division by zero"));
  EXPECT_THAT(Render("x ${{ 1"), HasSubstr("the expression is not closed with }}"));
}

TEST(TemplateTest, MissingNamesAreToldFromOtherErrors) {
  const auto missing = Template::Compile("${{ params.q }}")->Render(TestContext());
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  const auto wrong = Template::Compile("${{ 1 / 0 }}")->Render(TestContext());
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
}

TEST(TemplateTest, NulNeverGetsIntoAText) {
  EXPECT_THAT(Render(R"(${{ from_json("\"a\\u0000b\"") }})"), HasSubstr("holds a NUL"));
}

TEST(TemplateTest, LengthDepthAndSizeAreBounded) {
  EXPECT_THAT(Eval(std::string(5'000, ' ') + "1"), HasSubstr("longer than 4096 bytes"));
  EXPECT_THAT(Render(std::string(70'000, 'x')), HasSubstr("longer than 65536 bytes"));
  EXPECT_THAT(Eval(std::string(100, '(') + "1"), HasSubstr("nested deeper"));
  EXPECT_THAT(Eval(std::string(100, '-') + "1"), HasSubstr("nested deeper"));
  EXPECT_THAT(Eval(std::string(100, '[') + "1"), HasSubstr("nested deeper"));
  std::string sum = "1";
  for (int i = 0; i < 200; ++i) sum += "+1";
  EXPECT_THAT(Eval(sum), HasSubstr("nested deeper"));
  std::string fields = "params";
  for (int i = 0; i < 200; ++i) fields += ".a";
  EXPECT_THAT(Eval(fields), HasSubstr("nested deeper"));

  Context context;
  context.params = Value::Map({{"big", Value::String(std::string(900'000, 'x'))}});
  for (const char* text :
       {"${{ params.big + params.big }}", "${{ join([params.big, params.big], '') }}",
        "${{ replace(params.big, 'x', 'yyyyyyyyyy') }}", "${{ params.big }}${{ params.big }}",
        "${{ json([params.big, params.big]) }}", "${{ json([params.big, params.big]) + '' }}"}) {
    const auto value = Template::Compile(text)->Evaluate(context);
    EXPECT_THAT(std::string(value.status().message()), HasSubstr("larger than 1048576 bytes"))
        << text;
  }
}

TEST(TemplateTest, ADefaultConstructedTemplateIsEmpty) {
  EXPECT_EQ(*Template().Render({}), "");
  EXPECT_TRUE(Template().References().empty());
}

TEST(ValueTest, JsonIsReadExactlyOrRefused) {
  EXPECT_EQ(Json(R"( {"b":[1,1.0,-0.0,1e3,true,null,"\u0001ä"],"a":{}} )").ToJson(),
            R"({"a":{},"b":[1,1.0,-0.0,1000.0,true,null,"\u0001ä"]})");
  for (const char* text : {"", "{", "[1,]", "{\"a\":1,\"a\":2}", "18446744073709551615",
                           "99999999999999999999999", "1e999", "nan", "\"\xFF\"", "1 2"}) {
    EXPECT_FALSE(Value::FromJson(text).ok()) << text;
  }
  EXPECT_FALSE(Value::FromJson(std::string(100'000, '[')).ok());
  EXPECT_TRUE(Value::FromJson(std::string(64, '[') + std::string(64, ']')).ok());
}

}  // namespace
}  // namespace penstock::dag
