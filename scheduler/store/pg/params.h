#pragma once
// Parameters of one statement, in order.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scheduler/store/pg/arrays.h"
#include "scheduler/store/pg/text.h"

namespace penstock::pg {

class Params {
 public:
  Params& Int(int64_t value) { return Raw(std::to_string(value)); }
  Params& Bool(bool value) { return Raw(value ? "t" : "f"); }
  Params& Null() {
    values_.emplace_back();
    return *this;
  }
  // Text from outside: checked (storable()).
  Params& Text(std::string_view value) {
    storable_ = storable_ && IsStorableText(value);
    return Raw(std::string(value));
  }
  Params& TextOrNull(std::string_view value) { return value.empty() ? Null() : Text(value); }
  Params& IntOrNull(int64_t value) { return value == 0 ? Null() : Int(value); }
  Params& Ints(const std::vector<int64_t>& values) { return Raw(IntArray(values)); }
  Params& Texts(const std::vector<std::string>& values) {
    for (const std::string& value : values) storable_ = storable_ && IsStorableText(value);
    return Raw(TextArray(values));
  }
  // A literal that is known to be well-formed.
  Params& Raw(std::string value) {
    values_.emplace_back(std::move(value));
    return *this;
  }

  // False when a text holds NUL or is not UTF-8: the statement is not sent.
  bool storable() const { return storable_; }
  const std::vector<std::optional<std::string>>& values() const { return values_; }

 private:
  std::vector<std::optional<std::string>> values_;
  bool storable_ = true;
};

// Parameters of one statement in PostgreSQL's binary form, which costs the server less to read.
// None is null.
class BinaryParams {
 public:
  BinaryParams& Int4(int32_t value) {
    AppendInt32(value, &values_.emplace_back());
    return *this;
  }
  BinaryParams& Int8(int64_t value) {
    AppendInt64(value, &values_.emplace_back());
    return *this;
  }
  BinaryParams& Bool(bool value) {
    values_.emplace_back(1, value ? '\1' : '\0');
    return *this;
  }
  // An array as arrays.h makes them.
  BinaryParams& Array(std::string bytes) {
    values_.push_back(std::move(bytes));
    return *this;
  }
  const std::vector<std::string>& values() const { return values_; }

 private:
  std::vector<std::string> values_;
};

}  // namespace penstock::pg
