#pragma once
// Collects everything wrong with a file, and guesses what was meant.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/dag/spec.h"

namespace penstock::dag {

// A position in the file; both count from 1 in characters, 0 = the whole file.
struct Place {
  int line = 0;
  int column = 0;
};

// Not thread-safe. Keeps the first `max` problems by position and counts the others, in memory
// that does not grow with their number.
class Problems {
 public:
  explicit Problems(size_t max) : max_(max) {}
  void Add(Place place, std::string path, std::string message, std::string suggestion = "");
  // Counts a problem that is not worth keeping: there are enough of its kind.
  void Omit() { ++omitted_; }
  bool empty() const { return list_.empty(); }
  // Closest(), until guessing has cost enough; then "".
  std::string_view Suggest(std::string_view word, std::span<const std::string_view> candidates);
  // Sorted by position; the last one says "and N more problems" when there were more.
  std::vector<Problem> Take();

 private:
  void Trim();
  const size_t max_;
  size_t comparisons_left_ = 500'000;  // for Suggest
  size_t omitted_ = 0;
  std::vector<Problem> list_;
};

// Changes (insert, delete, replace, swap of neighbours) that turn `a` into `b`, or `bound` + 1
// when it takes more than `bound`. Texts over 255 bytes are never within it.
size_t EditDistance(std::string_view a, std::string_view b, size_t bound);

// The candidate closest to `word`, or "" when none is close enough to be meant (one change in
// short words, a third of the letters and at most three in long ones). The first of equals wins.
std::string_view Closest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace penstock::dag
