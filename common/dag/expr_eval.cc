#include <fmt/format.h>

#include <cmath>
#include <compare>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/expr_ast.h"
#include "common/dag/expr_functions.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

using Type = Value::Type;
using Result = absl::StatusOr<Value>;

absl::Status Missing(std::string_view text) {
  return MakeStatus(absl::StatusCode::kNotFound, text);
}

absl::Status Mismatch(std::string_view what, const Value& a, const Value& b) {
  return ExprError(
      fmt::format("cannot {} {} and {}", what, ToString(a.type()), ToString(b.type())));
}

Result Finite(double value) {
  if (!std::isfinite(value)) return ExprError("the number is too large");
  return Value::Number(value);
}

Result IntArithmetic(Op op, int64_t a, int64_t b) {
  if ((op == Op::kDivide || op == Op::kRemainder) && b == 0) return ExprError("division by zero");
  const bool wraps = a == std::numeric_limits<int64_t>::min() && b == -1;
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Op::kDivide:
      overflow = wraps;
      if (!wraps) result = a / b;
      break;
    default:
      result = wraps ? 0 : a % b;
      break;
  }
  if (overflow) return ExprError("integer overflow");
  return Value::Int(result);
}

double AsDouble(const Value& value) {
  return value.type() == Type::kInt ? static_cast<double>(value.as_int()) : value.as_number();
}

Result NumberArithmetic(Op op, double a, double b) {
  if ((op == Op::kDivide || op == Op::kRemainder) && b == 0) return ExprError("division by zero");
  switch (op) {
    case Op::kAdd:
      return Finite(a + b);
    case Op::kSubtract:
      return Finite(a - b);
    case Op::kMultiply:
      return Finite(a * b);
    case Op::kDivide:
      return Finite(a / b);
    default:
      return Finite(std::fmod(a, b));
  }
}

Result Arithmetic(Op op, const Value& a, const Value& b, const ExprLimits& limits) {
  if (a.type() == Type::kInt && b.type() == Type::kInt) {
    return IntArithmetic(op, a.as_int(), b.as_int());
  }
  if (a.is_number() && b.is_number()) return NumberArithmetic(op, AsDouble(a), AsDouble(b));
  if (op == Op::kAdd && a.type() == Type::kString && b.type() == Type::kString) {
    return MakeString(a.as_string() + b.as_string(), limits);
  }
  return Mismatch("calculate with", a, b);
}

Result Ordered(Op op, const Value& a, const Value& b) {
  std::partial_ordering order = std::partial_ordering::equivalent;
  if (a.is_number() && b.is_number()) {
    order = CompareNumbers(a, b);
  } else if (a.type() == Type::kString && b.type() == Type::kString) {
    order = a.as_string() <=> b.as_string();
  } else {
    return Mismatch("compare", a, b);
  }
  switch (op) {
    case Op::kLess:
      return Value::Bool(std::is_lt(order));
    case Op::kLessEqual:
      return Value::Bool(std::is_lteq(order));
    case Op::kGreater:
      return Value::Bool(std::is_gt(order));
    default:
      return Value::Bool(std::is_gteq(order));
  }
}

Result IsIn(const Value& needle, const Value& hay) {
  if (hay.type() == Type::kArray) {
    for (const Value& element : hay.as_array()) {
      if (element == needle) return Value::Bool(true);
    }
    return Value::Bool(false);
  }
  if (needle.type() == Type::kString && hay.type() == Type::kObject) {
    return Value::Bool(hay.as_object().contains(needle.as_string()));
  }
  if (needle.type() == Type::kString && hay.type() == Type::kString) {
    return Value::Bool(hay.as_string().find(needle.as_string()) != std::string::npos);
  }
  return Mismatch("use \"in\" with", needle, hay);
}

Result Member(const Value& object, const std::string& key) {
  if (object.is_null()) return Missing(fmt::format("null has no \"{}\"", ShownText(key)));
  if (object.type() != Type::kObject) {
    return ExprError(fmt::format("only an object has fields; \"{}\" was asked of {}",
                                 ShownText(key), ToString(object.type())));
  }
  const auto found = object.as_object().find(key);
  if (found == object.as_object().end()) {
    return Missing(fmt::format("there is no \"{}\" in the object", ShownText(key)));
  }
  return found->second;
}

Result Element(const Value& list, const Value& index) {
  if (index.type() == Type::kString) return Member(list, index.as_string());
  if (list.is_null()) return Missing("null has no elements");
  if (list.type() != Type::kArray || index.type() != Type::kInt) {
    return Mismatch("index with [ ]:", list, index);
  }
  const auto& array = list.as_array();
  if (index.as_int() < 0 || static_cast<uint64_t>(index.as_int()) >= array.size()) {
    return Missing(
        fmt::format("there is no element {} in an array of {}", index.as_int(), array.size()));
  }
  return array[static_cast<size_t>(index.as_int())];
}

class Evaluator {
 public:
  Evaluator(const Expression& expression, const Context& context, const ExprLimits& limits)
      : expression_(expression), context_(context), limits_(limits) {}

  Result Eval(uint32_t position) const {
    const ExprNode& node = expression_.nodes[position];
    switch (node.op) {
      case Op::kLiteral:
        return node.literal;
      case Op::kReference:
        return Refer(node);
      case Op::kList:
        return MakeList(node);
      case Op::kCall:
        return Call(node);
      case Op::kCondition:
        return Choose(node);
      case Op::kAnd:
      case Op::kOr:
        return Logic(node);
      case Op::kField:
      case Op::kNot:
      case Op::kNegate:
        return Unary(node);
      default:
        return Binary(node);
    }
  }

 private:
  Result Unary(const ExprNode& node) const {
    PENSTOCK_ASSIGN_OR_RETURN(const Value value, Eval(node.a));
    if (node.op == Op::kField) return Member(value, node.literal.as_string());
    if (node.op == Op::kNegate) {
      if (value.type() == Type::kNumber) return Value::Number(-value.as_number());
      return Arithmetic(Op::kSubtract, Value::Int(0), value, limits_);
    }
    if (value.type() != Type::kBool) return NotBoolean("!", value);
    return Value::Bool(!value.as_bool());
  }

  Result Binary(const ExprNode& node) const {
    PENSTOCK_ASSIGN_OR_RETURN(const Value a, Eval(node.a));
    PENSTOCK_ASSIGN_OR_RETURN(const Value b, Eval(node.b));
    switch (node.op) {
      case Op::kIndex:
        return Element(a, b);
      case Op::kEqual:
        return Value::Bool(a == b);
      case Op::kNotEqual:
        return Value::Bool(!(a == b));
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual:
        return Ordered(node.op, a, b);
      case Op::kIn:
        return IsIn(a, b);
      default:
        return Arithmetic(node.op, a, b, limits_);
    }
  }

  static absl::Status NotBoolean(std::string_view op, const Value& value) {
    return ExprError(fmt::format("\"{}\" needs a boolean, not {}", op, ToString(value.type())));
  }

  // The right side is evaluated only when it matters, but must then be a boolean too.
  Result Logic(const ExprNode& node) const {
    const bool is_or = node.op == Op::kOr;
    const std::string_view name = is_or ? "||" : "&&";
    PENSTOCK_ASSIGN_OR_RETURN(const Value a, Eval(node.a));
    if (a.type() != Type::kBool) return NotBoolean(name, a);
    if (a.as_bool() == is_or) return a;
    PENSTOCK_ASSIGN_OR_RETURN(const Value b, Eval(node.b));
    if (b.type() != Type::kBool) return NotBoolean(name, b);
    return b;
  }

  Result Choose(const ExprNode& node) const {
    PENSTOCK_ASSIGN_OR_RETURN(const Value condition, Eval(node.a));
    if (condition.type() != Type::kBool) return NotBoolean("?", condition);
    return Eval(condition.as_bool() ? node.b : node.c);
  }

  absl::StatusOr<Value::Array> Arguments(const ExprNode& node) const {
    Value::Array values;
    values.reserve(node.args_count);
    for (uint32_t i = 0; i < node.args_count; ++i) {
      PENSTOCK_ASSIGN_OR_RETURN(Value value, Eval(expression_.args[node.args_begin + i]));
      values.push_back(std::move(value));
    }
    return values;
  }
  Result MakeList(const ExprNode& node) const {
    PENSTOCK_ASSIGN_OR_RETURN(Value::Array values, Arguments(node));
    return Value::List(std::move(values));
  }
  Result Call(const ExprNode& node) const {
    const Function& function = Functions()[node.function];
    if (function.call == nullptr) return Default(node);
    PENSTOCK_ASSIGN_OR_RETURN(const Value::Array values, Arguments(node));
    return function.call(values, limits_);
  }
  Result Default(const ExprNode& node) const {
    Result value = Eval(expression_.args[node.args_begin]);
    const bool missing = value.ok() ? value->is_null() : absl::IsNotFound(value.status());
    return missing ? Eval(expression_.args[node.args_begin + 1]) : value;
  }

  Result Refer(const ExprNode& node) const {
    const Reference& reference = expression_.references[node.reference];
    switch (node.root) {
      case Root::kRunId:
        return Value::String(context_.run_id);
      case Root::kRunKey:
        return Value::String(context_.run_key);
      case Root::kLogicalDate:
        return context_.logical_date ? Value::String(*context_.logical_date) : Value();
      case Root::kParams:
        return context_.params;
      case Root::kParam:
        return Param(reference);
      case Root::kOutputs:
      case Root::kOutput:
        return Output(reference, node.root);
      case Root::kNamespace:
        return Value::String(context_.namespace_name);
      case Root::kDag:
        return Value::String(context_.dag);
      case Root::kAttempt:
        break;
    }
    return Value::Int(context_.attempt);
  }
  Result Param(const Reference& reference) const {
    if (context_.params.type() == Type::kObject) {
      const auto found = context_.params.as_object().find(reference.name);
      if (found != context_.params.as_object().end()) return found->second;
    }
    return Missing(fmt::format("there is no parameter \"{}\"", ShownText(reference.name)));
  }
  Result Output(const Reference& reference, Root root) const {
    const auto task = context_.outputs.find(reference.name);
    if (task == context_.outputs.end() || task->second.type() != Type::kObject) {
      return Missing(fmt::format("task \"{}\" has no outputs", ShownText(reference.name)));
    }
    if (root == Root::kOutputs) return task->second;
    const auto found = task->second.as_object().find(reference.output);
    if (found != task->second.as_object().end()) return found->second;
    return Missing(fmt::format("task \"{}\" has no output \"{}\"", ShownText(reference.name),
                               ShownText(reference.output)));
  }

  const Expression& expression_;
  const Context& context_;
  const ExprLimits& limits_;
};

}  // namespace

absl::StatusOr<Value> EvaluateExpression(const Expression& expression, const Context& context,
                                         const ExprLimits& limits) {
  return Evaluator(expression, context, limits).Eval(expression.root);
}

}  // namespace penstock::dag
