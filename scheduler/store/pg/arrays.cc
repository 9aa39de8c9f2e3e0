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

bool IsBraced(std::string_view literal) {
  return literal.size() >= 2 && literal.front() == '{' && literal.back() == '}';
}

}  // namespace

void SectionBuilder::CloseColumn(bool empty) {
  if (out_.size() > 1) out_.push_back(',');
  if (empty) {
    out_.append("NULL");
  } else {
    AppendQuoted(column_, &out_);
  }
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
  out_.push_back('}');
  return std::move(out_);
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
