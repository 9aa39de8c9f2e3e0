#include "common/dag/expr_functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <compare>

#include "absl/status/status.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/expr_dates.h"
#include "common/dag/json_text.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

using Args = std::span<const Value>;
using Type = Value::Type;
using Result = absl::StatusOr<Value>;

constexpr size_t kMaxSplitParts = 100'000;

// The text of argument `i`, or an error that names the function and what it got.
absl::StatusOr<std::string_view> StringArg(Args args, size_t i, std::string_view function) {
  if (args[i].type() == Type::kString) return std::string_view(args[i].as_string());
  return ExprError(fmt::format("{}: argument {} must be a string, not {}", function, i + 1,
                               ToString(args[i].type())));
}

absl::Status WrongType(std::string_view function, const Value& value, std::string_view expected) {
  return ExprError(
      fmt::format("{}: expected {}, found {}", function, expected, ToString(value.type())));
}

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char ToUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

Result MapLetters(Args args, std::string_view name, char (*change)(char)) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, name));
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), change);
  return Value::String(std::move(out));
}
Result Lower(Args args, const ExprLimits&) { return MapLetters(args, "lower", ToLower); }
Result Upper(Args args, const ExprLimits&) { return MapLetters(args, "upper", ToUpper); }

Result Trim(Args args, const ExprLimits&) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "trim"));
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return Value::String("");
  return Value::String(std::string(text.substr(first, text.find_last_not_of(kBlanks) - first + 1)));
}

Result Contains(Args args, const ExprLimits&) {
  if (args[0].type() == Type::kArray) {
    const auto& list = args[0].as_array();
    return Value::Bool(std::find(list.begin(), list.end(), args[1]) != list.end());
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "contains"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view part, StringArg(args, 1, "contains"));
  return Value::Bool(text.find(part) != std::string_view::npos);
}

Result StartsWith(Args args, const ExprLimits&) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "starts_with"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view part, StringArg(args, 1, "starts_with"));
  return Value::Bool(text.starts_with(part));
}

Result EndsWith(Args args, const ExprLimits&) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "ends_with"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view part, StringArg(args, 1, "ends_with"));
  return Value::Bool(text.ends_with(part));
}

Result Replace(Args args, const ExprLimits& limits) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "replace"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view from, StringArg(args, 1, "replace"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view to, StringArg(args, 2, "replace"));
  if (from.empty()) return ExprError("replace: the text to replace must not be empty");
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out.append(text.substr(done, at - done)).append(to);
    done = at + from.size();
    if (out.size() > limits.max_value_bytes) break;
  }
  out.append(text.substr(done));
  return MakeString(std::move(out), limits);
}

Result Join(Args args, const ExprLimits& limits) {
  if (args[0].type() != Type::kArray) return WrongType("join", args[0], "an array");
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view separator, StringArg(args, 1, "join"));
  std::string out;
  bool first = true;
  for (const Value& element : args[0].as_array()) {
    PENSTOCK_ASSIGN_OR_RETURN(const std::string text, BoundedText(element, limits));
    if (!first) out += separator;
    first = false;
    out += text;
    if (out.size() > limits.max_value_bytes) break;
  }
  return MakeString(std::move(out), limits);
}

Result Split(Args args, const ExprLimits&) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "split"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view separator, StringArg(args, 1, "split"));
  if (separator.empty()) return ExprError("split: the separator must not be empty");
  Value::Array parts;
  size_t done = 0;
  while (parts.size() < kMaxSplitParts) {
    const size_t at = text.find(separator, done);
    parts.push_back(Value::String(std::string(text.substr(done, at - done))));
    if (at == std::string_view::npos) return Value::List(std::move(parts));
    done = at + separator.size();
  }
  return ExprError(fmt::format("split: more than {} parts", kMaxSplitParts));
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

Result Size(Args args, const ExprLimits&) {
  const auto count = [](size_t n) { return Value::Int(static_cast<int64_t>(n)); };
  switch (args[0].type()) {
    case Type::kString:
      return count(CountCharacters(args[0].as_string()));
    case Type::kArray:
      return count(args[0].as_array().size());
    case Type::kObject:
      return count(args[0].as_object().size());
    default:
      return WrongType("size", args[0], "a string, an array or an object");
  }
}

Result Keys(Args args, const ExprLimits&) {
  if (args[0].type() != Type::kObject) return WrongType("keys", args[0], "an object");
  Value::Array keys;
  for (const auto& [key, value] : args[0].as_object()) keys.push_back(Value::String(key));
  return Value::List(std::move(keys));
}

Result Int(Args args, const ExprLimits&) {
  const Value& value = args[0];
  if (value.type() == Type::kInt) return value;
  if (value.type() == Type::kNumber) {
    const double whole = std::trunc(value.as_number());
    if (whole < -0x1p63 || whole >= 0x1p63) return ExprError("int: the number is too large");
    return Value::Int(static_cast<int64_t>(whole));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "int"));
  const auto parsed = ClassifyPlain(text) == ScalarKind::kInt ? ParseInt(text) : std::nullopt;
  if (!parsed) return ExprError(fmt::format("int: \"{}\" is not an integer", ShownText(text)));
  return Value::Int(*parsed);
}

Result Number(Args args, const ExprLimits&) {
  const Value& value = args[0];
  if (value.type() == Type::kNumber) return value;
  if (value.type() == Type::kInt) return Value::Number(static_cast<double>(value.as_int()));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "number"));
  const ScalarKind kind = ClassifyPlain(text);
  const bool written = kind == ScalarKind::kFloat || kind == ScalarKind::kInt;
  const bool based = text.starts_with("0x") || text.starts_with("0o");
  const double parsed = written && !based ? ParseFloat(text) : NAN;
  if (!std::isfinite(parsed)) {
    return ExprError(fmt::format("number: \"{}\" is not a number", ShownText(text)));
  }
  return Value::Number(parsed);
}

Result String(Args args, const ExprLimits& limits) {
  PENSTOCK_ASSIGN_OR_RETURN(std::string text, BoundedText(args[0], limits));
  return Value::String(std::move(text));
}

Result Json(Args args, const ExprLimits& limits) {
  PENSTOCK_ASSIGN_OR_RETURN(std::string text, BoundedJson(args[0], limits));
  return Value::String(std::move(text));
}

Result FromJson(Args args, const ExprLimits&) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view text, StringArg(args, 0, "from_json"));
  return Value::FromJson(text);
}

Result Extreme(Args args, std::string_view name, bool largest) {
  if (!args[0].is_number()) return WrongType(name, args[0], "a number");
  const Value* best = &args[0];
  for (const Value& value : args.subspan(1)) {
    if (!value.is_number()) return WrongType(name, value, "a number");
    const auto order = CompareNumbers(value, *best);
    if (largest ? std::is_gt(order) : std::is_lt(order)) best = &value;
  }
  return *best;
}
Result Min(Args args, const ExprLimits&) { return Extreme(args, "min", false); }
Result Max(Args args, const ExprLimits&) { return Extreme(args, "max", true); }

Result AddToDate(Args args, const ExprLimits&) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view date, StringArg(args, 0, "date_add"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view duration, StringArg(args, 1, "date_add"));
  PENSTOCK_ASSIGN_OR_RETURN(std::string text, DateAdd(date, duration));
  return Value::String(std::move(text));
}

Result Format(Args args, const ExprLimits& limits) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view date, StringArg(args, 0, "format"));
  PENSTOCK_ASSIGN_OR_RETURN(const std::string_view pattern, StringArg(args, 1, "format"));
  PENSTOCK_ASSIGN_OR_RETURN(std::string text, DateFormat(date, pattern));
  return MakeString(std::move(text), limits);
}

constexpr size_t kAny = 100;
constexpr std::array<Function, 21> kFunctions = {{
    {"contains", 2, 2, "contains(text, part) or contains(array, value)",
     "Whether the part or the value is in it.", Contains},
    {"date_add", 2, 2, "date_add(date, duration)",
     "The date that much later; `\"-1d\"` is a day earlier. In UTC.", AddToDate},
    {"default", 2, 2, "default(value, fallback)",
     "The fallback when the value is null or does not exist.", nullptr},
    {"ends_with", 2, 2, "ends_with(text, part)", "Whether the text ends with the part.", EndsWith},
    {"format", 2, 2, "format(date, pattern)",
     "The date in UTC as `%Y-%m-%d` and the like: %Y %m %d %H %M %S %j %y %b %B %a %A %u %V %G %F "
     "%T %s %%.",
     Format},
    {"from_json", 1, 1, "from_json(text)", "The value that a JSON text stands for.", FromJson},
    {"int", 1, 1, "int(value)", "An integer from a text, or from a number without its fraction.",
     Int},
    {"join", 2, 2, "join(array, separator)", "One text of all elements.", Join},
    {"json", 1, 1, "json(value)", "The value as JSON text, keys sorted.", Json},
    {"keys", 1, 1, "keys(object)", "The keys, sorted.", Keys},
    {"lower", 1, 1, "lower(text)", "ASCII letters in lower case.", Lower},
    {"max", 1, kAny, "max(number, ...)", "The largest.", Max},
    {"min", 1, kAny, "min(number, ...)", "The smallest.", Min},
    {"number", 1, 1, "number(value)", "A number with a fraction from a text or an integer.",
     Number},
    {"replace", 3, 3, "replace(text, from, to)", "Every occurrence replaced.", Replace},
    {"size", 1, 1, "size(value)",
     "How many characters a text, elements an array, keys an object has.", Size},
    {"split", 2, 2, "split(text, separator)", "An array of the parts.", Split},
    {"starts_with", 2, 2, "starts_with(text, part)", "Whether the text starts with the part.",
     StartsWith},
    {"string", 1, 1, "string(value)", "The text it becomes inside a text; null is empty.", String},
    {"trim", 1, 1, "trim(text)", "Without blanks and line ends around it.", Trim},
    {"upper", 1, 1, "upper(text)", "ASCII letters in upper case.", Upper},
}};

// Adds up how long the JSON text of `value` is at least, until it is more than `limit`.
void MeasureJson(const Value& value, size_t limit, size_t* size) {
  *size += 1;
  if (*size > limit) return;
  if (value.type() == Type::kString) *size += value.as_string().size();
  if (value.type() == Type::kArray) {
    for (const Value& element : value.as_array()) {
      MeasureJson(element, limit, size);
      if (*size > limit) return;
    }
  }
  if (value.type() == Type::kObject) {
    for (const auto& [key, element] : value.as_object()) {
      *size += key.size();
      MeasureJson(element, limit, size);
      if (*size > limit) return;
    }
  }
}

absl::Status TooLarge(const ExprLimits& limits) {
  return ExprError(fmt::format("the result is larger than {} bytes", limits.max_value_bytes));
}

}  // namespace

std::span<const Function> Functions() { return kFunctions; }

std::optional<uint8_t> FindFunction(std::string_view name) {
  for (size_t i = 0; i < kFunctions.size(); ++i) {
    if (kFunctions[i].name == name) return static_cast<uint8_t>(i);
  }
  return std::nullopt;
}

absl::Status ExprError(std::string_view text) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, text);
}

absl::StatusOr<Value> MakeString(std::string text, const ExprLimits& limits) {
  if (text.size() > limits.max_value_bytes) return TooLarge(limits);
  return Value::String(std::move(text));
}

absl::StatusOr<std::string> BoundedJson(const Value& value, const ExprLimits& limits) {
  size_t size = 0;
  MeasureJson(value, limits.max_value_bytes, &size);
  std::string text;
  if (size <= limits.max_value_bytes) text = value.ToJson();
  if (size > limits.max_value_bytes || text.size() > limits.max_value_bytes) {
    return TooLarge(limits);
  }
  return text;
}

absl::StatusOr<std::string> BoundedText(const Value& value, const ExprLimits& limits) {
  if (value.is_null()) return std::string();
  if (value.type() != Type::kString) return BoundedJson(value, limits);
  if (value.as_string().size() > limits.max_value_bytes) return TooLarge(limits);
  return value.as_string();
}

}  // namespace penstock::dag
