#pragma once
// The functions of the expression language.
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/dag/expr.h"

namespace penstock::dag {

struct Function {
  std::string_view name;
  size_t min_args;
  size_t max_args;
  std::string_view signature;
  std::string_view about;
  // nullptr: the evaluator handles it itself (default: its first argument may be undefined).
  absl::StatusOr<Value> (*call)(std::span<const Value> args, const ExprLimits& limits);
};

// At most 255, sorted by name.
std::span<const Function> Functions();
std::optional<uint8_t> FindFunction(std::string_view name);

// InvalidArgument with this text.
absl::Status ExprError(std::string_view text);

// A string value, or an error when it is too large.
absl::StatusOr<Value> MakeString(std::string text, const ExprLimits& limits);

// The JSON text of a value (strings included in quotes), or an error when it is too large.
absl::StatusOr<std::string> BoundedJson(const Value& value, const ExprLimits& limits);
// The same for the text a value becomes inside a text.
absl::StatusOr<std::string> BoundedText(const Value& value, const ExprLimits& limits);

}  // namespace penstock::dag
