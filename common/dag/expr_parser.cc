#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/dag/expr_ast.h"
#include "common/dag/expr_functions.h"
#include "common/dag/expr_lexer.h"
#include "common/dag/problems.h"
#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

constexpr std::array<std::string_view, 6> kRoots = {"run",       "params", "tasks",
                                                    "namespace", "dag",    "attempt"};
constexpr std::array<std::string_view, 3> kLaterRoots = {"secrets", "vars", "item"};
constexpr std::array<std::string_view, 3> kRunFields = {"id", "key", "logical_date"};

struct BinaryOperator {
  std::string_view symbol;
  Op op;
  int level;  // binds tighter when higher; level 3 does not chain
};
constexpr int kCompareLevel = 3;
constexpr std::array<BinaryOperator, 14> kOperators = {{{"||", Op::kOr, 1},
                                                        {"&&", Op::kAnd, 2},
                                                        {"==", Op::kEqual, 3},
                                                        {"!=", Op::kNotEqual, 3},
                                                        {"<", Op::kLess, 3},
                                                        {"<=", Op::kLessEqual, 3},
                                                        {">", Op::kGreater, 3},
                                                        {">=", Op::kGreaterEqual, 3},
                                                        {"in", Op::kIn, 3},
                                                        {"+", Op::kAdd, 4},
                                                        {"-", Op::kSubtract, 4},
                                                        {"*", Op::kMultiply, 5},
                                                        {"/", Op::kDivide, 5},
                                                        {"%", Op::kRemainder, 5}}};

// Recursive descent. After the first error every step returns at once; results then mean nothing.
class Parser {
 public:
  Parser(std::string_view text, size_t begin, const ExprLimits& limits, Expression* out)
      : lexer_(text, begin + 3), limits_(limits), out_(*out) {
    out_.begin = begin;
    Advance();
  }

  std::optional<TemplateError> Run() {
    if (token_.kind == Token::Kind::kEnd) Fail(token_.offset, "the expression is empty");
    out_.root = Condition();
    if (!error_ && token_.kind != Token::Kind::kEnd) {
      Fail(token_.offset, fmt::format("unexpected {}", Describe(token_)));
    }
    out_.end = lexer_.offset();
    return std::move(error_);
  }

 private:
  static std::string Describe(const Token& token) {
    if (token.kind == Token::Kind::kEnd) return "end of the expression";
    if (token.kind == Token::Kind::kLiteral) {
      return token.literal.type() == Value::Type::kString ? "string" : "number";
    }
    return fmt::format("\"{}\"", ShownText(token.text));
  }

  void Fail(size_t offset, std::string message, std::string_view suggestion = "") {
    if (!error_) error_ = TemplateError{offset, std::move(message), std::string(suggestion)};
  }

  void Advance() {
    if (error_) return;
    token_ = lexer_.Next();
    if (token_.kind == Token::Kind::kError) Fail(token_.offset, token_.text);
    if (lexer_.offset() - out_.begin > limits_.max_expression_bytes) {
      Fail(out_.begin,
           fmt::format("the expression is longer than {} bytes", limits_.max_expression_bytes));
    }
  }
  bool IsSymbol(std::string_view symbol) const {
    return !error_ && token_.kind == Token::Kind::kSymbol && token_.text == symbol;
  }
  bool Accept(std::string_view symbol) {
    if (!IsSymbol(symbol)) return false;
    Advance();
    return true;
  }
  void Expect(std::string_view symbol) {
    if (Accept(symbol)) return;
    Fail(token_.offset, fmt::format("expected \"{}\", found {}", symbol, Describe(token_)));
  }

  uint32_t Add(ExprNode node) {
    const auto depth_of = [this](uint32_t i) { return out_.nodes[i].depth; };
    uint32_t below = 0;
    const int operands = OperandCount(node.op);
    if (operands > 0) below = std::max(below, depth_of(node.a));
    if (operands > 1) below = std::max(below, depth_of(node.b));
    if (operands > 2) below = std::max(below, depth_of(node.c));
    for (uint32_t i = 0; i < node.args_count; ++i) {
      below = std::max(below, depth_of(out_.args[node.args_begin + i]));
    }
    node.depth = below + 1;
    if (node.depth > limits_.max_depth) FailDepth();
    out_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(out_.nodes.size()) - 1;
  }
  static int OperandCount(Op op) {
    switch (op) {
      case Op::kLiteral:
      case Op::kReference:
      case Op::kList:
      case Op::kCall:
        return 0;
      case Op::kField:
      case Op::kNot:
      case Op::kNegate:
        return 1;
      case Op::kCondition:
        return 3;
      default:
        return 2;
    }
  }
  void FailDepth() {
    Fail(token_.offset, fmt::format("the expression is nested deeper than {}", limits_.max_depth));
  }
  uint32_t AddLiteral(Value value) {
    ExprNode node;
    node.literal = std::move(value);
    return Add(std::move(node));
  }
  uint32_t AddOperation(Op op, uint32_t a, uint32_t b = 0, uint32_t c = 0) {
    ExprNode node;
    node.op = op;
    node.a = a;
    node.b = b;
    node.c = c;
    return error_ ? 0 : Add(std::move(node));
  }

  // a ? b : c, or anything that binds tighter. Guards the depth of the recursion.
  uint32_t Condition() {
    if (error_) return 0;
    if (++nesting_ > limits_.max_depth) FailDepth();
    uint32_t result = Binary(1);
    if (Accept("?")) {
      const uint32_t yes = Condition();
      Expect(":");
      const uint32_t no = Condition();
      result = AddOperation(Op::kCondition, result, yes, no);
    }
    --nesting_;
    return result;
  }

  const BinaryOperator* OperatorHere() const {
    const bool is_word = token_.kind == Token::Kind::kName && token_.text == "in";
    if (error_ || (token_.kind != Token::Kind::kSymbol && !is_word)) return nullptr;
    const auto found = std::find_if(kOperators.begin(), kOperators.end(),
                                    [&](const auto& op) { return op.symbol == token_.text; });
    return found == kOperators.end() ? nullptr : &*found;
  }

  uint32_t Binary(int level) {
    uint32_t left = Unary();
    for (const BinaryOperator* op = OperatorHere(); op != nullptr && op->level >= level;
         op = OperatorHere()) {
      Advance();
      const uint32_t right = Binary(op->level + 1);
      left = AddOperation(op->op, left, right);
      const BinaryOperator* const next = OperatorHere();
      if (op->level == kCompareLevel && next != nullptr && next->level == kCompareLevel) {
        Fail(token_.offset, "comparisons do not chain; write a < b && b < c");
      }
    }
    return left;
  }

  uint32_t Unary() {
    if (error_ || (!IsSymbol("!") && !IsSymbol("-"))) return Postfix();
    if (++nesting_ > limits_.max_depth) FailDepth();
    const Op op = token_.text == "!" ? Op::kNot : Op::kNegate;
    Advance();
    const uint32_t result = AddOperation(op, Unary());
    --nesting_;
    return result;
  }

  uint32_t Postfix() {
    uint32_t result = Primary();
    while (IsSymbol(".") || IsSymbol("[")) {
      if (Accept(".")) {
        result = AddField(result);
      } else {
        Advance();
        const uint32_t index = Condition();
        Expect("]");
        result = AddOperation(Op::kIndex, result, index);
      }
    }
    return result;
  }
  uint32_t AddField(uint32_t object) {
    ExprNode node;
    node.op = Op::kField;
    node.a = object;
    node.literal = Value::String(TakeName());
    return error_ ? 0 : Add(std::move(node));
  }
  std::string TakeName() {
    if (!error_ && token_.kind != Token::Kind::kName) {
      Fail(token_.offset, fmt::format("expected a name, found {}", Describe(token_)));
    }
    std::string name = token_.text;
    Advance();
    return name;
  }

  uint32_t Primary() {
    if (error_) return 0;
    if (token_.kind == Token::Kind::kLiteral) {
      Value value = std::move(token_.literal);
      Advance();
      return error_ ? 0 : AddLiteral(std::move(value));
    }
    if (token_.kind == Token::Kind::kName) return Named();
    if (Accept("(")) {
      const uint32_t result = Condition();
      Expect(")");
      return result;
    }
    if (Accept("[")) return Sequence(Op::kList, "]", 0);
    Fail(token_.offset, fmt::format("expected a value, found {}", Describe(token_)));
    return 0;
  }

  // The rest of a list or of a call's arguments, up to `close`.
  uint32_t Sequence(Op op, std::string_view close, uint8_t function) {
    std::vector<uint32_t> elements;
    while (!error_ && !IsSymbol(close)) {
      elements.push_back(Condition());
      if (!Accept(",")) break;
    }
    Expect(close);
    if (error_) return 0;
    ExprNode node;
    node.op = op;
    node.function = function;
    node.args_begin = static_cast<uint32_t>(out_.args.size());
    node.args_count = static_cast<uint32_t>(elements.size());
    out_.args.insert(out_.args.end(), elements.begin(), elements.end());
    return Add(std::move(node));
  }

  uint32_t Named() {
    const size_t offset = token_.offset;
    const std::string name = TakeName();
    if (name == "true" || name == "false") return AddLiteral(Value::Bool(name == "true"));
    if (name == "null") return AddLiteral(Value());
    if (Accept("(")) return Call(name, offset);
    return FromRoot(name, offset);
  }

  uint32_t Call(const std::string& name, size_t offset) {
    const std::optional<uint8_t> function = FindFunction(name);
    if (!function) {
      std::vector<std::string_view> names;
      for (const Function& known : Functions()) names.push_back(known.name);
      Fail(offset, fmt::format("there is no function \"{}\"", ShownText(name)),
           Closest(name, names));
      return 0;
    }
    const uint32_t call = Sequence(Op::kCall, ")", *function);
    if (error_) return 0;
    const Function& known = Functions()[*function];
    const uint32_t count = out_.nodes[call].args_count;
    if (count < known.min_args || count > known.max_args) {
      Fail(offset, fmt::format("wrong number of arguments: {}", known.signature));
    }
    return call;
  }

  uint32_t FromRoot(const std::string& name, size_t offset) {
    if (name == "params") return FromParams(offset);
    if (name == "tasks") return FromTasks(offset);
    if (name == "run") return FromRun(offset);
    if (name == "namespace") return AddReference(Root::kNamespace, {.name = name}, offset);
    if (name == "dag") return AddReference(Root::kDag, {.name = name}, offset);
    if (name == "attempt") return AddReference(Root::kAttempt, {.name = name}, offset);
    if (std::find(kLaterRoots.begin(), kLaterRoots.end(), name) != kLaterRoots.end()) {
      Fail(offset, fmt::format("\"{}\" is not supported yet", name));
    } else {
      Fail(offset, fmt::format("there is no \"{}\" here", ShownText(name)), Closest(name, kRoots));
    }
    return 0;
  }

  uint32_t AddReference(Root root, Reference reference, size_t offset) {
    if (error_) return 0;
    reference.offset = offset;
    ExprNode node;
    node.op = Op::kReference;
    node.root = root;
    node.reference = static_cast<uint32_t>(out_.references.size());
    out_.references.push_back(std::move(reference));
    return Add(std::move(node));
  }

  // ".name" or "[\"name\"]" at this place, if there is one; never "". Other indices are left for
  // Postfix.
  std::optional<std::string> AcceptMember() {
    if (Accept(".")) return TakeName();
    if (!IsSymbol("[")) return std::nullopt;
    Lexer ahead = lexer_;
    const Token key = ahead.Next();
    const Token close = ahead.Next();
    const bool literal =
        key.kind == Token::Kind::kLiteral && key.literal.type() == Value::Type::kString;
    if (!literal || close.kind != Token::Kind::kSymbol || close.text != "]") return std::nullopt;
    if (key.literal.as_string().empty()) return std::nullopt;
    Advance();
    Advance();
    Expect("]");
    return key.literal.as_string();
  }

  uint32_t FromParams(size_t offset) {
    Reference reference{.kind = Reference::Kind::kParam};
    const std::optional<std::string> name = AcceptMember();
    if (name) reference.name = *name;
    return AddReference(name ? Root::kParam : Root::kParams, std::move(reference), offset);
  }

  uint32_t FromTasks(size_t offset) {
    Reference reference{.kind = Reference::Kind::kTaskOutput};
    const std::optional<std::string> id = AcceptMember();
    const std::optional<std::string> word = id ? AcceptMember() : std::nullopt;
    if (!id || word != "output") {
      Fail(offset,
           "expected tasks.ID.output or tasks.ID.output.KEY (tasks[\"ID\"] for ids with "
           "\"-\" or \".\")");
      return 0;
    }
    reference.name = *id;
    const std::optional<std::string> key = AcceptMember();
    if (key) reference.output = *key;
    return AddReference(key ? Root::kOutput : Root::kOutputs, std::move(reference), offset);
  }

  uint32_t FromRun(size_t offset) {
    const std::string field = AcceptMember().value_or("");
    const auto found = std::find(kRunFields.begin(), kRunFields.end(), field);
    if (found == kRunFields.end()) {
      if (field == "interval") Fail(offset, "\"run.interval\" is not supported yet");
      const std::string_view close = Closest(field, kRunFields);
      Fail(offset, "expected run.id, run.key or run.logical_date", close);
      return 0;
    }
    const auto root = static_cast<Root>(found - kRunFields.begin());
    return AddReference(root, {.name = "run." + field}, offset);
  }

  Lexer lexer_;
  const ExprLimits& limits_;
  Expression& out_;
  Token token_;
  size_t nesting_ = 0;
  std::optional<TemplateError> error_;
};

}  // namespace

std::optional<TemplateError> ParseExpression(std::string_view text, size_t begin,
                                             const ExprLimits& limits, Expression* out) {
  return Parser(text, begin, limits, out).Run();
}

}  // namespace penstock::dag
