#include "common/dag/expr_lexer.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "common/dag/scalars.h"

namespace penstock::dag {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Longest first.
constexpr std::array<std::string_view, 23> kSymbols = {
    "==", "!=", "<=", ">=", "&&", "||", "}}", "(", ")", "[", "]", ",",
    ".",  "?",  ":",  "<",  ">",  "+",  "-",  "*", "/", "%", "!"};

void AppendUtf8(std::string* out, uint32_t c) {
  const auto put = [out](uint32_t byte) { *out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

}  // namespace

Token Lexer::Fail(size_t offset, std::string text) const {
  Token token;
  token.kind = Token::Kind::kError;
  token.text = std::move(text);
  token.offset = offset;
  return token;
}

Token Lexer::Next() {
  while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  if (at_ >= text_.size()) return Fail(at_, "the expression is not closed with }}");
  const char c = text_[at_];
  if (IsNameStart(c)) return Name();
  if (IsDigit(c)) return Number();
  if (c == '"' || c == '\'') return Quoted(c);
  return Symbol();
}

Token Lexer::Name() {
  Token token;
  token.kind = Token::Kind::kName;
  token.offset = at_;
  while (IsNameStart(Peek(0)) || IsDigit(Peek(0))) ++at_;
  token.text = text_.substr(token.offset, at_ - token.offset);
  return token;
}

Token Lexer::Number() {
  const size_t start = at_;
  while (IsDigit(Peek(0))) ++at_;
  bool whole = true;
  if (Peek(0) == '.' && IsDigit(Peek(1))) {
    whole = false;
    for (++at_; IsDigit(Peek(0));) ++at_;
  }
  const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
  if ((Peek(0) == 'e' || Peek(0) == 'E') && IsDigit(Peek(1 + sign))) {
    whole = false;
    for (at_ += 1 + sign; IsDigit(Peek(0));) ++at_;
  }
  Token token;
  token.kind = Token::Kind::kLiteral;
  token.offset = start;
  const std::string_view text = text_.substr(start, at_ - start);
  if (IsNameStart(Peek(0))) return Fail(at_, "a number must not run into a name");
  if (whole) {
    const auto value = ParseInt(text);
    if (!value) return Fail(start, "the integer does not fit 64 bits");
    token.literal = Value::Int(*value);
  } else {
    const double value = ParseFloat(text);
    if (!std::isfinite(value)) return Fail(start, "the number is too large");
    token.literal = Value::Number(value);
  }
  return token;
}

Token Lexer::Quoted(char quote) {
  const size_t start = at_++;
  std::string value;
  while (Peek(0) != quote) {
    if (at_ >= text_.size()) return Fail(start, "the string is not closed");
    if (text_[at_] != '\\') {
      value += text_[at_++];
    } else if (!Escape(&value)) {
      return Fail(at_, R"(unknown escape in a string; there are \\ \" \' \n \r \t \uXXXX)");
    }
  }
  ++at_;
  Token token;
  token.kind = Token::Kind::kLiteral;
  token.literal = Value::String(std::move(value));
  token.offset = start;
  return token;
}

// At a backslash. Leaves the position there when the escape is unknown.
bool Lexer::Escape(std::string* out) {
  const char c = Peek(1);
  constexpr std::string_view kFrom = "\\\"'nrt";
  constexpr std::string_view kTo = "\\\"'\n\r\t";
  if (const size_t i = kFrom.find(c); i != std::string_view::npos && c != '\0') {
    *out += kTo[i];
    at_ += 2;
    return true;
  }
  const std::string_view digits = at_ + 2 < text_.size() ? text_.substr(at_ + 2, 4) : "";
  uint32_t code = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  const bool complete = digits.size() == 4 && result.ptr == digits.data() + 4;
  if (c != 'u' || !complete || code == 0 || (code >= 0xD800 && code <= 0xDFFF)) return false;
  AppendUtf8(out, code);
  at_ += 6;
  return true;
}

Token Lexer::Symbol() {
  Token token;
  token.offset = at_;
  for (std::string_view symbol : kSymbols) {
    if (text_.substr(at_, symbol.size()) != symbol) continue;
    at_ += symbol.size();
    token.kind = symbol == "}}" ? Token::Kind::kEnd : Token::Kind::kSymbol;
    token.text = symbol;
    return token;
  }
  if (text_[at_] == '=') return Fail(at_, "a single = means nothing here; equality is ==");
  if (text_[at_] == '&') return Fail(at_, "a single & means nothing here; \"and\" is &&");
  if (text_[at_] == '|') return Fail(at_, "a single | means nothing here; \"or\" is ||");
  return Fail(at_, "unexpected character");
}

}  // namespace penstock::dag
