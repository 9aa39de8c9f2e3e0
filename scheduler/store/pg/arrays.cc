#include "scheduler/store/pg/arrays.h"

#include "common/base/status.h"
#include "fmt/format.h"

namespace penstock::pg {
namespace {

absl::Status NotAnArray(std::string_view literal) {
  return MakeStatus(absl::StatusCode::kDataLoss,
                    fmt::format("not an array: {}", literal.substr(0, 60)));
}

// Reads a quoted element that starts after the opening quote; returns what follows the closing one.
std::optional<std::string_view> ReadQuoted(std::string_view rest, std::string* value) {
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\') rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    value->push_back(rest.front());
    rest.remove_prefix(1);
  }
  if (rest.empty()) return std::nullopt;
  return rest.substr(1);
}

std::string_view ReadBare(std::string_view rest, std::string* value) {
  const size_t end = std::min(rest.find(','), rest.size());
  const std::string_view bare = rest.substr(0, end);
  if (bare != "NULL") value->assign(bare);
  return rest.substr(end);
}

constexpr int32_t kInt8Oid = 20;
constexpr int32_t kTextOid = 25;

std::string ArrayHeader(int32_t dimensions, bool any_null, int32_t element) {
  std::string out;
  AppendInt32(dimensions, &out);
  AppendInt32(any_null ? 1 : 0, &out);
  AppendInt32(element, &out);
  return out;
}

void AppendDimension(size_t length, std::string* out) {
  AppendInt32(static_cast<int32_t>(length), out);
  AppendInt32(1, out);  // lower bound
}

void AppendElement(int64_t value, std::string* out) {
  AppendInt32(sizeof value, out);
  AppendInt64(value, out);
}

bool IsBraced(std::string_view literal) {
  return literal.size() >= 2 && literal.front() == '{' && literal.back() == '}';
}

}  // namespace

void MatrixBuilder::Add(std::initializer_list<int64_t> line) {
  size_t column = 0;
  for (const int64_t number : line) {
    ++column;
    if (number != 0 && column > used_) used_ = column;
    numbers_.push_back(number);
  }
}

std::string MatrixBuilder::Finish() const {
  const size_t lines = numbers_.size() / columns_;
  std::string out = ArrayHeader(lines == 0 ? 0 : 2, false, kInt8Oid);
  out.reserve(out.size() + 16 + lines * used_ * 12);
  if (lines > 0) {
    AppendDimension(lines, &out);
    AppendDimension(used_, &out);
  }
  for (size_t at = 0; at < numbers_.size(); at += columns_) {
    for (size_t i = 0; i < used_; ++i) AppendElement(numbers_[at + i], &out);
  }
  return out;
}

std::string BinaryIntArray(const std::vector<int64_t>& values) {
  std::string out = ArrayHeader(values.empty() ? 0 : 1, false, kInt8Oid);
  if (!values.empty()) AppendDimension(values.size(), &out);
  for (const int64_t value : values) AppendElement(value, &out);
  return out;
}

std::string EmptyBinaryTextArray() { return ArrayHeader(0, false, kTextOid); }

void SectionBuilder::CloseColumn(bool empty) {
  ++columns_;
  if (empty) {
    any_null_ = true;
    AppendInt32(-1, &out_);
    return;
  }
  AppendInt32(static_cast<int32_t>(column_.size()), &out_);
  out_.append(column_);
}

bool SectionBuilder::AppendText(std::string_view text) {
  if (!IsStorableText(text) && bad_text_.empty()) {
    bad_text_ = fmt::format("a text of {} bytes holds NUL or invalid UTF-8", text.size());
  }
  AppendQuoted(text, &column_);
  return true;
}

absl::StatusOr<std::string> SectionBuilder::Finish() {
  if (!bad_text_.empty()) return MakeStatus(absl::StatusCode::kInvalidArgument, bad_text_);
  std::string array = ArrayHeader(1, any_null_, kTextOid);
  AppendDimension(static_cast<size_t>(columns_), &array);
  return array + out_;
}

absl::StatusOr<std::vector<int64_t>> ParseIntArray(std::string_view literal) {
  std::vector<int64_t> values;
  if (literal.empty() || literal == "{}") return values;
  if (!IsBraced(literal)) return NotAnArray(literal);
  const char* at = literal.data() + 1;
  const char* const end = literal.data() + literal.size() - 1;
  while (at < end) {
    int64_t value = 0;
    if (*at == 'N') {
      at += 4;  // NULL
    } else {
      const auto [next, error] = std::from_chars(at, end, value);
      if (error != std::errc()) return NotAnArray(literal);
      at = next;
    }
    if (at > end || (at < end && *at != ',')) return NotAnArray(literal);
    values.push_back(value);
    ++at;
  }
  return values;
}

absl::StatusOr<std::vector<std::string>> ParseTextArray(std::string_view literal) {
  std::vector<std::string> values;
  if (literal.empty() || literal == "{}") return values;
  if (!IsBraced(literal)) return NotAnArray(literal);
  std::string_view rest = literal.substr(1, literal.size() - 2);
  for (;;) {
    std::string value;
    if (!rest.empty() && rest.front() == '"') {
      const auto after = ReadQuoted(rest.substr(1), &value);
      if (!after.has_value()) return NotAnArray(literal);
      rest = *after;
    } else {
      rest = ReadBare(rest, &value);
    }
    values.push_back(std::move(value));
    if (rest.empty()) return values;
    if (rest.front() != ',') return NotAnArray(literal);
    rest.remove_prefix(1);
  }
}

std::string TextArray(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& value : values) {
    if (out.size() > 1) out.push_back(',');
    AppendQuoted(value, &out);
  }
  return out + "}";
}

std::string IntArray(const std::vector<int64_t>& values) {
  std::string out = "{";
  for (const int64_t value : values) {
    if (out.size() > 1) out.push_back(',');
    AppendInt(value, &out);
  }
  return out + "}";
}

}  // namespace penstock::pg
