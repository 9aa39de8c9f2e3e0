#pragma once
// The ${{ }} language. Compiled and checked when a DAG is submitted, evaluated by the worker when
// an attempt starts; the scheduler never evaluates one. docs/dag-file.md is its reference.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/dag/value.h"

namespace penstock::dag {

// Bounds of the language. There are no loops, so the cost of an evaluation is bounded by the
// length of the text times the size of its values.
struct ExprLimits {
  size_t max_template_bytes = 64 << 10;
  size_t max_expression_bytes = 4 << 10;  // one ${{ }}
  size_t max_depth = 64;
  size_t max_value_bytes = 1 << 20;  // any text or list that an expression makes; a rendered text
};

// What an expression can see. Filled in by the worker from the assignment.
struct Context {
  std::string run_id;
  std::string run_key;
  std::optional<std::string> logical_date;          // RFC 3339; none: run.logical_date is null
  Value params;                                     // an object: what ResolveParams made
  absl::flat_hash_map<std::string, Value> outputs;  // task id -> object; see References()
  std::string namespace_name;
  std::string dag;
  int64_t attempt = 0;
};

// One use of something outside the expression.
struct Reference {
  enum class Kind : uint8_t { kParam, kTaskOutput, kOther };
  Kind kind = Kind::kOther;
  std::string name{};    // parameter, task id, or "run.id" and the like; "" = all parameters
  std::string output{};  // kTaskOutput: the output's key; "" = all outputs of the task
  size_t offset = 0;     // byte in the template's text
};

// Where and why a template is wrong.
struct TemplateError {
  size_t offset = 0;  // byte in the template's text
  std::string message;
  std::string suggestion;  // "" = none
};

// A text with ${{ }} parts, or none. Immutable; copies share; any thread.
class Template {
 public:
  // A cheap test that needs no compilation.
  static bool HasExpression(std::string_view text) {
    return text.find("${{") != std::string_view::npos;
  }

  // Syntax, names of roots and functions, numbers of arguments. InvalidArgument names the place.
  static absl::StatusOr<Template> Compile(std::string_view text, const ExprLimits& limits = {});
  // The same with the place as data; nullopt when the text is sound (then *out is set).
  static std::optional<TemplateError> Check(std::string_view text, const ExprLimits& limits,
                                            Template* out);

  // Every use in order of appearance. The worker needs the outputs of exactly the tasks named.
  const std::vector<Reference>& References() const;
  // The whole text is one expression: Evaluate keeps its type.
  bool IsSingleExpression() const;

  // The text with every ${{ }} replaced; all else, ${X} and $X included, stays as it is. The
  // values are spliced as they are, without quoting. InvalidArgument: a wrong type, an overflow, a
  // division by zero, NUL in the text, too large. NotFound: a name that does not exist.
  absl::StatusOr<std::string> Render(const Context& context) const;
  // The expression's value with its type, or the rendered text as a string.
  absl::StatusOr<Value> Evaluate(const Context& context) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

// Names of all functions with their signatures and one sentence each, as Markdown.
std::string DescribeFunctions();

}  // namespace penstock::dag
