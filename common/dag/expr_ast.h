#pragma once
// A compiled expression.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/dag/expr.h"

namespace penstock::dag {

enum class Op : uint8_t {
  kLiteral,    // literal
  kReference,  // reference
  kField,      // a . literal
  kIndex,      // a [ b ]
  kList,       // args
  kCall,       // function, args
  kNot,        // ! a
  kNegate,     // - a
  kCondition,  // a ? b : c
  kAnd,
  kOr,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kRemainder,
};

// Where a reference leads.
enum class Root : uint8_t {
  kRunId,
  kRunKey,
  kLogicalDate,
  kParams,
  kParam,
  kOutputs,
  kOutput,
  kNamespace,
  kDag,
  kAttempt,
};

// a, b, c: positions of operands in Expression::nodes. args: positions in Expression::args.
struct ExprNode {
  Op op = Op::kLiteral;
  Root root = Root::kDag;
  uint8_t function = 0;  // position in Functions()
  uint32_t a = 0, b = 0, c = 0;
  uint32_t args_begin = 0, args_count = 0;
  uint32_t reference = 0;  // position in Expression::references
  uint32_t depth = 1;      // of the tree under it
  Value literal;
};

struct Expression {
  size_t begin = 0;  // bytes in the template, the braces included
  size_t end = 0;
  std::vector<ExprNode> nodes;
  std::vector<uint32_t> args;
  std::vector<Reference> references;
  uint32_t root = 0;
};

// Parses the expression whose "${{" is at `begin` of `text`. nullopt: `*out` is complete.
std::optional<TemplateError> ParseExpression(std::string_view text, size_t begin,
                                             const ExprLimits& limits, Expression* out);

// Every value it makes is at most limits.max_value_bytes large.
absl::StatusOr<Value> EvaluateExpression(const Expression& expression, const Context& context,
                                         const ExprLimits& limits);

}  // namespace penstock::dag
