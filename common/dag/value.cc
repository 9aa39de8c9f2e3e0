#include "common/dag/value.h"

#include <fmt/format.h>

#include <cmath>

#include "common/dag/json_text.h"

namespace penstock::dag {
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

std::partial_ordering Reverse(std::partial_ordering order) {
  if (std::is_lt(order)) return std::partial_ordering::greater;
  return std::is_gt(order) ? std::partial_ordering::less : order;
}

void AppendJson(std::string* out, const Value& value) {
  switch (value.type()) {
    case Value::Type::kNull:
      out->append("null");
      return;
    case Value::Type::kBool:
      out->append(value.as_bool() ? "true" : "false");
      return;
    case Value::Type::kInt:
      out->append(std::to_string(value.as_int()));
      return;
    case Value::Type::kNumber:
      AppendNumber(out, value.as_number());
      return;
    case Value::Type::kString:
      AppendQuoted(out, value.as_string());
      return;
    case Value::Type::kArray: {
      ListWriter list(out);
      for (const Value& element : value.as_array()) AppendJson(list.Next(), element);
      return;
    }
    case Value::Type::kObject: {
      ObjectWriter object(out);
      for (const auto& [key, element] : value.as_object()) AppendJson(object.Key(key), element);
      return;
    }
  }
}

}  // namespace

Value Value::String(std::string value) {
  return Value(std::make_shared<const std::string>(std::move(value)));
}
Value Value::List(Array value) { return Value(std::make_shared<const Array>(std::move(value))); }
Value Value::Map(Object value) { return Value(std::make_shared<const Object>(std::move(value))); }

std::string Value::ToJson() const {
  std::string out;
  AppendJson(&out, *this);
  return out;
}

std::string Value::ToText() const {
  if (is_null()) return "";
  return type() == Type::kString ? as_string() : ToJson();
}

std::partial_ordering CompareNumbers(const Value& a, const Value& b) {
  const bool a_int = a.type() == Value::Type::kInt;
  const bool b_int = b.type() == Value::Type::kInt;
  if (a_int && b_int) return a.as_int() <=> b.as_int();
  if (!a_int && !b_int) return a.as_number() <=> b.as_number();
  if (b_int) return Reverse(CompareNumbers(b, a));
  const double other = b.as_number();
  if (other >= kTwoTo63) return std::partial_ordering::less;
  if (other < -kTwoTo63) return std::partial_ordering::greater;
  const double whole = std::trunc(other);
  const auto truncated = static_cast<int64_t>(whole);
  if (a.as_int() != truncated) return a.as_int() <=> truncated;
  return whole <=> other;
}

bool operator==(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return std::is_eq(CompareNumbers(a, b));
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Value::Type::kNull:
      return true;
    case Value::Type::kBool:
      return a.as_bool() == b.as_bool();
    case Value::Type::kString:
      return a.as_string() == b.as_string();
    case Value::Type::kArray:
      return a.as_array() == b.as_array();
    case Value::Type::kObject:
      return a.as_object() == b.as_object();
    case Value::Type::kInt:
    case Value::Type::kNumber:
      break;
  }
  return false;
}

std::string_view ToString(Value::Type type) {
  switch (type) {
    case Value::Type::kNull:
      return "null";
    case Value::Type::kBool:
      return "boolean";
    case Value::Type::kInt:
      return "integer";
    case Value::Type::kNumber:
      return "number";
    case Value::Type::kString:
      return "string";
    case Value::Type::kArray:
      return "array";
    case Value::Type::kObject:
      return "object";
  }
  return "unknown";
}

}  // namespace penstock::dag
