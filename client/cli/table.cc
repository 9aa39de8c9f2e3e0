#include "client/cli/table.h"

#include <algorithm>
#include <utility>

#include "client/cli/text.h"
#include "common/base/check.h"

namespace penstock::client {
namespace {

std::string_view Sequence(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kBusy:
      return "\x1b[36m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kBold:
      return "\x1b[1m";
  }
  return "";
}

std::string Pad(size_t columns, size_t used) {
  return std::string(columns > used ? columns - used : 0, ' ');
}

void TrimEnd(std::string* line) { line->erase(line->find_last_not_of(' ') + 1); }

}  // namespace

std::string Paint(std::string_view text, Style style, bool color) {
  if (!color || style == Style::kPlain || text.empty()) return std::string(text);
  return std::string(Sequence(style)) + std::string(text) + "\x1b[0m";
}

void Table::Add(std::vector<Cell> row) {
  PENSTOCK_CHECK(row.size() == headings_.size(), "a row has a cell for each heading");
  for (Cell& cell : row) cell.text = Printable(cell.text);
  rows_.push_back(std::move(row));
}

std::string Table::Render(bool color) const {
  std::vector<Cell> heading;
  std::vector<bool> right;
  std::vector<size_t> widths;
  for (const std::string& text : headings_) {
    right.push_back(!text.empty() && text.front() == '>');
    heading.emplace_back(text.substr(right.back() ? 1 : 0), Style::kBold);
    widths.push_back(heading.back().text.size());
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    }
  }
  std::string out;
  const auto append = [&](const std::vector<Cell>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad = Pad(widths[i], DisplayWidth(row[i].text));
      const std::string text = Paint(row[i].text, row[i].style, color);
      if (i > 0) line += "  ";
      line += right[i] ? pad + text : text + pad;
    }
    TrimEnd(&line);
    out += line + "\n";
  };
  append(heading);
  for (const auto& row : rows_) append(row);
  return out;
}

void Fields::Add(std::string_view name, Cell value) {
  if (!value.text.empty()) entries_.emplace_back(std::string(name), std::move(value));
}

std::string Fields::Render(bool color) const {
  size_t width = 0;
  for (const auto& entry : entries_) width = std::max(width, entry.first.size() + 1);
  std::string out;
  for (const auto& [name, value] : entries_) {
    out += Paint(name + ":", Style::kDim, color) + Pad(width, name.size() + 1) + " " +
           Paint(Printable(value.text), value.style, color) + "\n";
  }
  return out;
}

}  // namespace penstock::client
