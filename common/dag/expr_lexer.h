#pragma once
// Words of the expression language.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/dag/value.h"

namespace penstock::dag {

struct Token {
  // kEnd: the closing }}. kError: `text` says what is wrong.
  enum class Kind : uint8_t { kEnd, kError, kLiteral, kName, kSymbol };
  Kind kind = Kind::kEnd;
  std::string text;   // of names and symbols
  Value literal;      // numbers and strings; true, false and null are names
  size_t offset = 0;  // of its first byte in the template
};

// Reads the words of one expression that starts at `offset` of `text`, behind its "${{".
class Lexer {
 public:
  Lexer(std::string_view text, size_t offset) : text_(text), at_(offset) {}
  Token Next();
  // Behind the last word.
  size_t offset() const { return at_; }

 private:
  Token Name();
  Token Number();
  Token Quoted(char quote);
  Token Symbol();
  bool Escape(std::string* out);
  Token Fail(size_t offset, std::string text) const;
  char Peek(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  const std::string_view text_;
  size_t at_;
};

}  // namespace penstock::dag
