#pragma once
// Columns of text with optional colour. Pure.
#include <string>
#include <string_view>
#include <vector>

namespace penstock::client {

enum class Style { kPlain, kGood, kBad, kBusy, kDim, kBold };

// `text` in its colour, or as it is when `color` is false.
std::string Paint(std::string_view text, Style style, bool color);

// One cell. What it is made from is escaped by Table.
struct Cell {
  Cell(std::string text_in, Style style_in = Style::kPlain)  // NOLINT: cells are written as texts
      : text(std::move(text_in)), style(style_in) {}
  Cell(const char* text_in) : text(text_in) {}  // NOLINT: the same
  std::string text;
  Style style = Style::kPlain;
};

// A heading and rows. Headings beginning with '>' are right-aligned (the '>' is not shown).
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  // As many cells as headings.
  void Add(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }
  // Two blanks between columns, none at the ends of lines.
  std::string Render(bool color) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<Cell>> rows_;
};

// "name: value" lines with the values in one column. Entries with an empty value are left out.
class Fields {
 public:
  void Add(std::string_view name, Cell value);
  std::string Render(bool color) const;

 private:
  std::vector<std::pair<std::string, Cell>> entries_;
};

}  // namespace penstock::client
