#pragma once
// What really ran, told by the tasks themselves: each attempt appends lines to one file. Judged
// here without any help from Penstock. Pure.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::chaos {

// One attempt as its lines tell: "RUN TASK ATTEMPT EVENT SECONDS", where EVENT is start, alive or
// end and SECONDS the time by the machine's clock.
struct Execution {
  int64_t run = 0;
  std::string task;
  int32_t attempt = 0;
  double first = 0;  // when it was first and last seen
  double last = 0;
  int starts = 0;
  int ends = 0;
};

struct Truth {
  std::vector<Execution> executions;  // by first appearance
  std::vector<std::string> strange;   // lines that are none
};
Truth ParseTruth(std::string_view text);

// What the tasks of every run must keep to.
struct Expected {
  std::vector<std::string> tasks;                         // each ends at least once
  std::map<std::string, std::vector<std::string>> needs;  // task -> tasks that end before it starts
  std::vector<std::string> pool;                          // tasks that share a pool
  int pool_slots = 0;
};

struct Verdict {
  std::vector<std::string> violations;  // at most 50; empty is good
  int64_t attempts = 0;
  int64_t repeated = 0;    // attempts after the first of an instance
  double longest_gap = 0;  // seconds between two starts of anything
  double gap_end = 0;      // when the longest one ended, by the machine's clock
  int most_in_pool = 0;
};
// `runs`: those that must be complete. Checks that
//   no attempt number is used twice; attempts of an instance do not overlap, in the order of their
//   numbers; each task of each run has ended; a task starts after what it needs has ended; the pool
//   is never over its slots.
Verdict Judge(const Truth& truth, const std::vector<int64_t>& runs, const Expected& expected);

}  // namespace penstock::chaos
