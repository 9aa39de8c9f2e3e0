#include "client/cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "client/cli/refs.h"
#include "client/cli/text.h"

namespace penstock::client {
namespace {

// Ends first, because they are what is watched for.
constexpr v1::TaskState kOrder[] = {
    v1::TASK_STATE_SUCCESS,  v1::TASK_STATE_FAILED,       v1::TASK_STATE_UPSTREAM_FAILED,
    v1::TASK_STATE_SKIPPED,  v1::TASK_STATE_CANCELLED,    v1::TASK_STATE_REMOVED,
    v1::TASK_STATE_RUNNING,  v1::TASK_STATE_LEASED,       v1::TASK_STATE_READY,
    v1::TASK_STATE_DEFERRED, v1::TASK_STATE_UP_FOR_RETRY, v1::TASK_STATE_WAITING};

int64_t CountOf(const v1::RunProgress& progress, v1::TaskState state) {
  int64_t count = 0;
  for (const v1::StateCount& entry : progress.counts()) {
    if (entry.state() == state) count += entry.count();
  }
  return count;
}

int Percent(const Totals& totals) {
  if (totals.all <= 0) return 0;
  return static_cast<int>(std::min<int64_t>(totals.done * 100 / totals.all, 100));
}

// A line under construction: texts with styles, cut at a width.
class Line {
 public:
  Line(size_t columns, bool color) : left_(columns), color_(color) {}
  Line& Add(std::string_view text, Style style = Style::kPlain) {
    const std::string cut = Truncate(text, left_);
    left_ -= std::min(left_, DisplayWidth(cut));
    text_ += Paint(cut, style, color_);
    return *this;
  }
  std::string Take() { return std::move(text_); }

 private:
  size_t left_;
  const bool color_;
  std::string text_;
};

std::string Repeat(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string Heading(const v1::RunProgress& progress, const FrameOptions& options, size_t width) {
  const v1::Run& run = progress.run();
  return Line(width, options.color)
      .Add(Printable(run.dag()), Style::kBold)
      .Add(fmt::format("  run {}  ", run.id()))
      .Add(StateName(run.state()), StyleOf(run.state()))
      .Add(fmt::format("  {}", FormatElapsed(Elapsed(run, options.now))))
      .Take();
}

std::string Bar(const v1::RunProgress& progress, const FrameOptions& options, size_t width) {
  const Totals totals = Add(progress);
  const std::string numbers =
      fmt::format(" {:>3} %  {}/{}", Percent(totals), totals.done, totals.all);
  const size_t room = width > numbers.size() + 2 ? width - numbers.size() - 2 : 0;
  const size_t cells = std::min<size_t>(room, 40);
  if (cells < 4) return Line(width, options.color).Add(numbers.substr(1)).Take();
  const auto part = [&](int64_t count) {
    return totals.all <= 0 ? 0u
                           : static_cast<size_t>(std::min(count, totals.all) *
                                                 static_cast<int64_t>(cells) / totals.all);
  };
  const size_t done = part(totals.done);
  const size_t bad =
      std::min(done, totals.failed > 0 ? std::max<size_t>(part(totals.failed), 1) : 0);
  const std::string_view full = options.unicode ? "█" : "#";
  const std::string_view empty = options.unicode ? "░" : ".";
  return Line(width, options.color)
      .Add("[")
      .Add(Repeat(full, done - bad), Style::kGood)
      .Add(Repeat(full, bad), Style::kBad)
      .Add(Repeat(empty, cells - done), Style::kDim)
      .Add("]")
      .Add(numbers)
      .Take();
}

std::string Counts(const v1::RunProgress& progress, const FrameOptions& options, size_t width) {
  Line line(width, options.color);
  bool first = true;
  for (const v1::TaskState state : kOrder) {
    const int64_t count = CountOf(progress, state);
    if (count == 0) continue;
    line.Add(first ? "" : "  ").Add(fmt::format("{} {}", StateName(state), count), StyleOf(state));
    first = false;
  }
  return line.Take();
}

std::string Tasks(std::string_view label,
                  const google::protobuf::RepeatedPtrField<std::string>& ids,
                  const FrameOptions& options, size_t width) {
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : ", ") + Printable(id);
  return Line(width, options.color).Add(label, Style::kDim).Add(text).Take();
}

// Columns of a line that may hold colour sequences.
size_t VisibleWidth(std::string_view line) {
  std::string plain;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b') {
      i = line.find('m', i);
    } else {
      plain += line[i];
    }
  }
  return DisplayWidth(plain);
}

}  // namespace

Totals Add(const v1::RunProgress& progress) {
  Totals totals;
  for (const v1::StateCount& entry : progress.counts()) {
    totals.all += entry.count();
    if (IsTerminal(entry.state())) totals.done += entry.count();
  }
  totals.failed =
      CountOf(progress, v1::TASK_STATE_FAILED) + CountOf(progress, v1::TASK_STATE_UPSTREAM_FAILED);
  totals.all = std::max<int64_t>(totals.all, progress.task_count());
  return totals;
}

std::string CountsText(const v1::RunProgress& progress) {
  std::string text;
  for (const v1::TaskState state : kOrder) {
    const int64_t count = CountOf(progress, state);
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", StateName(state), count);
  }
  return text.empty() ? "no tasks yet" : text;
}

absl::Duration Elapsed(const v1::Run& run, absl::Time now) {
  if (!run.has_started_at()) return absl::ZeroDuration();
  const absl::Time end = run.has_finished_at() ? ToTime(run.finished_at()) : now;
  return std::max(end - ToTime(run.started_at()), absl::ZeroDuration());
}

std::vector<std::string> RenderFrame(const v1::RunProgress& progress, const FrameOptions& options) {
  const size_t width = std::max<size_t>(options.columns, 2) - 1;
  std::vector<std::string> lines = {Heading(progress, options, width),
                                    Bar(progress, options, width)};
  if (!progress.counts().empty()) lines.push_back(Counts(progress, options, width));
  if (!progress.running().empty()) {
    lines.push_back(Tasks("running: ", progress.running(), options, width));
  }
  if (!progress.failed().empty()) {
    lines.push_back(Tasks("failed: ", progress.failed(), options, width));
  }
  if (!options.remark.empty()) {
    lines.push_back(Line(width, options.color).Add(Printable(options.remark), Style::kDim).Take());
  }
  return lines;
}

std::string ProgressLine(const v1::RunProgress& progress) {
  const Totals totals = Add(progress);
  return fmt::format("run {} {}: {}/{} done ({})", progress.run().id(),
                     StateName(progress.run().state()), totals.done, totals.all,
                     CountsText(progress));
}

Style StyleOf(v1::RunState state) {
  if (state == v1::RUN_STATE_SUCCESS) return Style::kGood;
  if (state == v1::RUN_STATE_RUNNING) return Style::kBusy;
  return IsTerminal(state) ? Style::kBad : Style::kPlain;
}

Style StyleOf(v1::TaskState state) {
  if (state == v1::TASK_STATE_SUCCESS) return Style::kGood;
  if (state == v1::TASK_STATE_RUNNING || state == v1::TASK_STATE_LEASED) return Style::kBusy;
  if (state == v1::TASK_STATE_FAILED || state == v1::TASK_STATE_UPSTREAM_FAILED) return Style::kBad;
  return IsTerminal(state) ? Style::kDim : Style::kPlain;
}

std::string LiveArea::Rewind(size_t columns) const {
  size_t rows = 0;
  for (const size_t width : widths_) rows += std::max<size_t>((width + columns - 1) / columns, 1);
  return rows == 0 ? "" : fmt::format("\x1b[{}A\r", rows);
}

std::string LiveArea::Draw(const std::vector<std::string>& lines, size_t columns) {
  std::string bytes = Rewind(std::max<size_t>(columns, 1));
  widths_.clear();
  for (const std::string& line : lines) {
    bytes += line + "\x1b[K\n";
    widths_.push_back(VisibleWidth(line));
  }
  return bytes + "\x1b[J";
}

std::string LiveArea::Clear(size_t columns) {
  std::string bytes = Rewind(std::max<size_t>(columns, 1));
  if (!bytes.empty()) bytes += "\x1b[J";
  widths_.clear();
  return bytes;
}

}  // namespace penstock::client
