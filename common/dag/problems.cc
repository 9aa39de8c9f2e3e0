#include "common/dag/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace penstock::dag {

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

size_t EditDistance(std::string_view a, std::string_view b, size_t bound) {
  const size_t longer = std::max(a.size(), b.size());
  if (longer - std::min(a.size(), b.size()) > bound) return bound + 1;
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t best = row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
      best = std::min(best, row[j]);
    }
    if (best > bound) return bound + 1;
    std::swap(before, last);
    std::swap(last, row);
  }
  return std::min(last[b.size()], bound + 1);
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
