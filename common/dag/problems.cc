#include "common/dag/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

namespace penstock::dag {
namespace {
constexpr size_t kMaxLength = 255;
}  // namespace

void Problems::Add(Place place, std::string path, std::string message, std::string suggestion) {
  list_.push_back(
      {place.line, place.column, std::move(path), std::move(message), std::move(suggestion)});
  if (list_.size() >= 16 * (max_ + 1)) Trim();
}

void Problems::Trim() {
  std::stable_sort(list_.begin(), list_.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  if (list_.size() <= max_) return;
  omitted_ += list_.size() - max_;
  list_.resize(max_);
}

std::vector<Problem> Problems::Take() {
  Trim();
  if (omitted_ > 0) {
    list_.push_back({0, 0, "", fmt::format("and {} more problems", omitted_), ""});
  }
  return std::move(list_);
}

std::string_view Problems::Suggest(std::string_view word,
                                   std::span<const std::string_view> candidates) {
  if (candidates.size() > comparisons_left_) return "";
  comparisons_left_ -= candidates.size();
  return Closest(word, candidates);
}

// The usual table, row by row, as far as a cell can be within the bound: `bound` cells on either
// side of the diagonal.
size_t EditDistance(std::string_view a, std::string_view b, size_t bound) {
  const size_t longer = std::max(a.size(), b.size());
  if (longer - std::min(a.size(), b.size()) > bound || longer > kMaxLength) return bound + 1;
  std::array<size_t, kMaxLength + 2> rows[3];
  auto *before = &rows[0], *last = &rows[1], *row = &rows[2];
  std::iota(last->begin(), last->begin() + static_cast<std::ptrdiff_t>(b.size()) + 1, size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    const size_t from = i > bound ? i - bound : 1;
    const size_t to = std::min(b.size(), i + bound);
    (*row)[from - 1] = from == 1 ? i : bound + 1;
    size_t best = (*row)[from - 1];
    for (size_t j = from; j <= to; ++j) {
      const size_t replaced = (*last)[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      (*row)[j] = std::min({(*last)[j] + 1, (*row)[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        (*row)[j] = std::min((*row)[j], (*before)[j - 2] + 1);
      }
      best = std::min(best, (*row)[j]);
    }
    if (best > bound) return bound + 1;
    (*row)[to + 1] = bound + 1;
    std::swap(before, last);
    std::swap(last, row);
  }
  return std::min((*last)[b.size()], bound + 1);
}

std::string_view Closest(std::string_view word, std::span<const std::string_view> candidates) {
  size_t bound = std::clamp<size_t>(word.size() / 3, 1, 3);
  std::string_view found;
  for (std::string_view candidate : candidates) {
    const size_t distance = EditDistance(word, candidate, bound);
    if (distance > bound || candidate.empty() || distance >= candidate.size()) continue;
    found = candidate;
    if (distance == 0) break;
    bound = distance - 1;
  }
  return found;
}

std::string ToString(const Problem& problem, std::string_view file_name) {
  std::string text(file_name);
  if (problem.line > 0) text += fmt::format(":{}:{}", problem.line, problem.column);
  text += ": ";
  if (!problem.path.empty()) text += problem.path + ": ";
  text += problem.message;
  if (!problem.suggestion.empty()) text += fmt::format(" (did you mean {}?)", problem.suggestion);
  return text;
}

}  // namespace penstock::dag
