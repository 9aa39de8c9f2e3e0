#pragma once
// A run's progress as text. Pure: what is drawn depends on the arguments alone.
#include <cstddef>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/table.h"
#include "penstock/v1/control.pb.h"

namespace penstock::client {

// Task instances of a run, added up.
struct Totals {
  int64_t all = 0;
  int64_t done = 0;    // in a terminal state
  int64_t failed = 0;  // failed or upstream_failed
};
Totals Add(const v1::RunProgress& progress);

// "success 440, running 12, waiting 540": states with a count, in the order of a task's life from
// its end; "no tasks yet" where there is none.
std::string CountsText(const v1::RunProgress& progress);

// How long the run has taken up to `now`, or in all once it has ended; 0 before it has begun.
absl::Duration Elapsed(const v1::Run& run, absl::Time now);

struct FrameOptions {
  size_t columns = 80;
  bool color = false;
  bool unicode = false;  // the bar may use block characters
  absl::Time now;
  std::string remark;  // a last line, dim; empty = none
};
// The live display: heading, bar, counts, running tasks. No line is wider than columns - 1.
std::vector<std::string> RenderFrame(const v1::RunProgress& progress, const FrameOptions& options);

// The same for a log file: "run 42 running: 450/1000 done (success 440, failed 10, ...)".
std::string ProgressLine(const v1::RunProgress& progress);

Style StyleOf(v1::RunState state);
Style StyleOf(v1::TaskState state);

// Draws frames over each other on a terminal: one write per frame, no screen clearing, so nothing
// flickers. Makes the bytes only; the caller writes them. Not thread-safe.
class LiveArea {
 public:
  // Bytes that replace the previous frame by `lines` on a terminal `columns` wide. Where the
  // terminal has become narrower, the rows that the old frame was folded into are counted.
  std::string Draw(const std::vector<std::string>& lines, size_t columns);
  // Bytes that remove the previous frame.
  std::string Clear(size_t columns);

 private:
  std::string Rewind(size_t columns) const;
  std::vector<size_t> widths_;  // of the lines on the screen
};

}  // namespace penstock::client
