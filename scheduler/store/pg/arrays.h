#pragma once
// PostgreSQL array literals, written and read by hand: the fast way to move many rows in one
// parameter or one field.
#include <endian.h>

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/store/pg/text.h"

namespace penstock::pg {

inline void AppendInt(int64_t value, std::string* out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out->append(digits, end);
}

// Appends big-endian.
inline void AppendInt32(int32_t value, std::string* out) {
  const uint32_t bits = htobe32(static_cast<uint32_t>(value));
  out->append(reinterpret_cast<const char*>(&bits), sizeof bits);
}
inline void AppendInt64(int64_t value, std::string* out) {
  const uint64_t bits = htobe64(static_cast<uint64_t>(value));
  out->append(reinterpret_cast<const char*>(&bits), sizeof bits);
}

// Lines of integers as one bigint[][] in PostgreSQL's binary form. Columns at the end that hold
// nothing but zeros are left out, but for the first `least`.
class MatrixBuilder {
 public:
  MatrixBuilder(size_t columns, size_t least) : columns_(columns), used_(least) {}
  // `line` has `columns` numbers.
  void Add(std::initializer_list<int64_t> line);
  std::string Finish() const;

 private:
  size_t columns_;
  size_t used_;                   // columns up to the last one that is not 0 everywhere
  std::vector<int64_t> numbers_;  // line after line
};

// A bigint[] and an empty text[] in the same form.
std::string BinaryIntArray(const std::vector<int64_t>& values);
std::string EmptyBinaryTextArray();

// Rows of one section of a flush as one text[] parameter in PostgreSQL's binary form: an element
// per column, each the literal of that column's array. Columns are added in the order that the SQL
// function reads them. `get` maps a row to its value.
class SectionBuilder {
 public:
  // The value `absent` is sent as null; a column of nothing but nulls costs nothing.
  template <typename Rows, typename Get>
  SectionBuilder& Ints(const Rows& rows, const Get& get,
                       std::optional<int64_t> absent = std::nullopt);
  template <typename Rows, typename Get>
  SectionBuilder& Bools(const Rows& rows, const Get& get);  // false is absent
  template <typename Rows, typename Get>
  SectionBuilder& Texts(const Rows& rows, const Get& get);
  template <typename Rows, typename Get>
  SectionBuilder& OptionalTexts(const Rows& rows, const Get& get);  // "" is absent

  // The parameter; INVALID_ARGUMENT when a text cannot be stored (NUL, not UTF-8).
  absl::StatusOr<std::string> Finish();

 private:
  template <typename Rows, typename Append>
  SectionBuilder& Column(const Rows& rows, const Append& append);
  void CloseColumn(bool empty);
  bool AppendText(std::string_view text);

  std::string out_;  // elements
  int32_t columns_ = 0;
  bool any_null_ = false;
  std::string column_;
  std::string bad_text_;
};

// "{1,NULL,3}" -> 1, 0, 3; "" -> nothing. DATA_LOSS when it is no such literal.
absl::StatusOr<std::vector<int64_t>> ParseIntArray(std::string_view literal);
// One-dimensional; null elements become "".
absl::StatusOr<std::vector<std::string>> ParseTextArray(std::string_view literal);

// {"a","b"} and {1,2}.
std::string TextArray(const std::vector<std::string>& values);
std::string IntArray(const std::vector<int64_t>& values);

template <typename Rows, typename Append>
SectionBuilder& SectionBuilder::Column(const Rows& rows, const Append& append) {
  column_.assign(1, '{');
  bool empty = true;
  for (const auto& row : rows) {
    if (column_.size() > 1) column_.push_back(',');
    if (append(row)) {
      empty = false;
    } else {
      column_.append("NULL");
    }
  }
  column_.push_back('}');
  CloseColumn(empty);
  return *this;
}

template <typename Rows, typename Get>
SectionBuilder& SectionBuilder::Ints(const Rows& rows, const Get& get,
                                     std::optional<int64_t> absent) {
  return Column(rows, [&](const auto& row) {
    const auto value = static_cast<int64_t>(get(row));
    if (absent == value) return false;
    AppendInt(value, &column_);
    return true;
  });
}

template <typename Rows, typename Get>
SectionBuilder& SectionBuilder::Bools(const Rows& rows, const Get& get) {
  return Column(rows, [&](const auto& row) {
    if (get(row)) column_.push_back('t');
    return static_cast<bool>(get(row));
  });
}

template <typename Rows, typename Get>
SectionBuilder& SectionBuilder::Texts(const Rows& rows, const Get& get) {
  return Column(rows, [&](const auto& row) { return AppendText(get(row)); });
}

template <typename Rows, typename Get>
SectionBuilder& SectionBuilder::OptionalTexts(const Rows& rows, const Get& get) {
  return Column(rows, [&](const auto& row) {
    const std::string_view text = get(row);
    return !text.empty() && AppendText(text);
  });
}

}  // namespace penstock::pg
