#include "common/dag/expr.h"

#include <fmt/format.h>

#include <utility>

#include "absl/status/status.h"
#include "common/base/status.h"
#include "common/base/status_macros.h"
#include "common/dag/expr_ast.h"
#include "common/dag/expr_functions.h"
#include "common/dag/scalars.h"

namespace penstock::dag {

struct Template::Program {
  std::string text;
  ExprLimits limits;
  std::vector<Expression> expressions;  // in the order of the text
  std::vector<Reference> references;

  std::string_view TextOf(const Expression& expression) const {
    return std::string_view(text).substr(expression.begin, expression.end - expression.begin);
  }
  absl::StatusOr<Value> Evaluate(const Expression& expression, const Context& context) const {
    absl::StatusOr<Value> value = EvaluateExpression(expression, context, limits);
    if (value.ok()) return value;
    return Annotate(value.status(), fmt::format("in {}", ShownText(TextOf(expression))));
  }
};

std::optional<TemplateError> Template::Check(std::string_view text, const ExprLimits& limits,
                                             Template* out) {
  auto program = std::make_shared<Program>();
  if (text.size() > limits.max_template_bytes) {
    return TemplateError{
        0, fmt::format("the text is longer than {} bytes", limits.max_template_bytes), ""};
  }
  for (size_t at = text.find("${{"); at != std::string_view::npos; at = text.find("${{", at)) {
    Expression expression;
    if (auto error = ParseExpression(text, at, limits, &expression)) return error;
    program->references.insert(program->references.end(), expression.references.begin(),
                               expression.references.end());
    at = expression.end;
    program->expressions.push_back(std::move(expression));
  }
  program->text = text;
  program->limits = limits;
  out->program_ = std::move(program);
  return std::nullopt;
}

absl::StatusOr<Template> Template::Compile(std::string_view text, const ExprLimits& limits) {
  Template result;
  if (const auto error = Check(text, limits, &result)) {
    std::string message = fmt::format("at byte {}: {}", error->offset + 1, error->message);
    if (!error->suggestion.empty())
      message += fmt::format(" (did you mean {}?)", error->suggestion);
    return MakeStatus(absl::StatusCode::kInvalidArgument, message);
  }
  return result;
}

const std::vector<Reference>& Template::References() const {
  static const std::vector<Reference> none;
  return program_ == nullptr ? none : program_->references;
}

bool Template::IsSingleExpression() const {
  return program_ != nullptr && program_->expressions.size() == 1 &&
         program_->expressions[0].begin == 0 &&
         program_->expressions[0].end == program_->text.size();
}

absl::StatusOr<std::string> Template::Render(const Context& context) const {
  std::string out;
  if (program_ == nullptr) return out;
  const std::string_view text = program_->text;
  size_t done = 0;
  for (const Expression& expression : program_->expressions) {
    PENSTOCK_ASSIGN_OR_RETURN(const Value value, program_->Evaluate(expression, context));
    PENSTOCK_ASSIGN_OR_RETURN(const std::string part, BoundedText(value, program_->limits));
    out.append(text.substr(done, expression.begin - done)).append(part);
    done = expression.end;
    if (out.size() > program_->limits.max_value_bytes) break;
  }
  out.append(text.substr(done));
  if (out.size() > program_->limits.max_value_bytes) {
    return ExprError(
        fmt::format("the text is larger than {} bytes", program_->limits.max_value_bytes));
  }
  if (out.find('\0') != std::string::npos) return ExprError("the text holds a NUL");
  return out;
}

absl::StatusOr<Value> Template::Evaluate(const Context& context) const {
  if (IsSingleExpression()) return program_->Evaluate(program_->expressions[0], context);
  PENSTOCK_ASSIGN_OR_RETURN(std::string text, Render(context));
  return Value::String(std::move(text));
}

std::string DescribeFunctions() {
  std::string out = "| function | result |\n| --- | --- |\n";
  for (const Function& function : Functions()) {
    out += fmt::format("| `{}` | {} |\n", function.signature, function.about);
  }
  return out;
}

}  // namespace penstock::dag
