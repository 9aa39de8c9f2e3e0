#pragma once
// The values of expressions: JSON's, with integers apart from numbers.
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace penstock::dag {

// An immutable value. Cheap to copy (texts, lists and maps are shared); any thread may read it.
class Value {
 public:
  enum class Type : uint8_t { kNull, kBool, kInt, kNumber, kString, kArray, kObject };
  using Array = std::vector<Value>;
  using Object = std::map<std::string, Value, std::less<>>;

  Value() = default;  // null
  static Value Bool(bool value) { return Value(value); }
  static Value Int(int64_t value) { return Value(value); }
  static Value Number(double value) { return Value(value); }
  static Value String(std::string value);
  static Value List(Array value);
  static Value Map(Object value);

  // From JSON text, at most 64 levels deep. InvalidArgument says where it is wrong. Integers that
  // do not fit int64 are refused, never rounded.
  static absl::StatusOr<Value> FromJson(std::string_view json);

  Type type() const { return static_cast<Type>(data_.index()); }
  bool is_null() const { return type() == Type::kNull; }
  bool is_number() const { return type() == Type::kInt || type() == Type::kNumber; }
  // Each only for a value of that type.
  bool as_bool() const { return std::get<bool>(data_); }
  int64_t as_int() const { return std::get<int64_t>(data_); }
  double as_number() const { return std::get<double>(data_); }
  const std::string& as_string() const { return *std::get<SharedString>(data_); }
  const Array& as_array() const { return *std::get<SharedArray>(data_); }
  const Object& as_object() const { return *std::get<SharedObject>(data_); }

  // Compact JSON with sorted keys.
  std::string ToJson() const;
  // What a value becomes inside a text: null = "", a string itself, all else as in JSON.
  std::string ToText() const;

  // 1 == 1.0; values of different types are otherwise unequal.
  friend bool operator==(const Value& a, const Value& b);

 private:
  using SharedString = std::shared_ptr<const std::string>;
  using SharedArray = std::shared_ptr<const Array>;
  using SharedObject = std::shared_ptr<const Object>;
  template <typename T>
  explicit Value(T data) : data_(std::move(data)) {}
  std::variant<std::monostate, bool, int64_t, double, SharedString, SharedArray, SharedObject>
      data_;
};

// Exact, also between an integer and a number; both must be is_number(). NaN never occurs.
std::partial_ordering CompareNumbers(const Value& a, const Value& b);

// "null", "boolean", "integer", "number", "string", "array", "object".
std::string_view ToString(Value::Type type);

}  // namespace penstock::dag
