#include "client/cli/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "client/cli/interrupt.h"
#include "client/cli/progress.h"
#include "client/cli/refs.h"
#include "client/cli/text.h"
#include "common/base/status_macros.h"

namespace penstock::client {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);    // looks for Ctrl-C
constexpr absl::Duration kRedraw = absl::Milliseconds(200);  // the clock of the live display
constexpr absl::Duration kLineEvery = absl::Seconds(2);      // plain lines, at most
constexpr int64_t kTailBytes = 8 << 10;
constexpr size_t kTailLines = 15;

// Where the terminal's encoding is UTF-8, the bar may use block characters.
bool IsUtf8Locale(const GetEnv& env) {
  for (const std::string_view name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = env(name);
    if (!value || value->empty()) continue;
    return value->find("UTF-8") != std::string::npos || value->find("utf8") != std::string::npos;
  }
  return false;
}

// Shows progress as it comes, in the way that suits the output.
class Display {
 public:
  explicit Display(Session& session)
      : session_(session),
        human_(session.format() == Format::kTable),
        live_(human_ && session.env().out_is_terminal && session.env().columns() > 0 &&
              session.env().get_env("TERM").value_or("") != "dumb"),
        unicode_(IsUtf8Locale(session.env().get_env)) {}

  void Update(const v1::RunProgress& progress) {
    progress_ = progress;
    remark_.clear();
    if (session_.format() == Format::kJsonl) {
      session_.out() << Render(progress, Format::kJsonl) << std::flush;
    } else if (live_) {
      Redraw();
    } else if (human_) {
      PrintFailures();
      MaybePrintLine();
    }
  }

  // Time has passed.
  void Tick() {
    if (!progress_) return;
    if (live_ && session_.now() - drawn_at_ >= kRedraw) Redraw();
    if (!live_ && human_) MaybePrintLine();
  }

  void ConnectionLost(const std::string& reason) {
    remark_ = fmt::format("connection lost ({}), trying again ...", reason);
    if (live_ && progress_) return Redraw();
    session_.Note(remark_);
  }

  // The last state stays on the screen.
  void Finish() {
    if (!human_ || !progress_) return;
    if (live_) return Redraw();
    if (ProgressLine(*progress_) != printed_) PrintLine();
  }

 private:
  void Redraw() {
    const size_t columns = session_.env().columns();
    drawn_at_ = session_.now();
    const FrameOptions options{columns, session_.color(), unicode_, drawn_at_, remark_};
    session_.out() << area_.Draw(RenderFrame(*progress_, options), columns) << std::flush;
  }

  void PrintFailures() {
    for (const std::string& task : progress_->failed()) {
      if (!failures_.insert(task).second) continue;
      session_.out() << FormatUtc(session_.now()) << " task " << Printable(task) << " failed\n";
    }
    session_.out() << std::flush;
  }

  void MaybePrintLine() {
    const std::string line = ProgressLine(*progress_);
    if (line == printed_ || session_.now() - printed_at_ < kLineEvery) return;
    PrintLine();
  }

  void PrintLine() {
    printed_ = ProgressLine(*progress_);
    printed_at_ = session_.now();
    session_.out() << FormatUtc(printed_at_) << " " << printed_ << "\n" << std::flush;
  }

  Session& session_;
  const bool human_;
  const bool live_;
  const bool unicode_;
  std::optional<v1::RunProgress> progress_;
  LiveArea area_;
  absl::Time drawn_at_ = absl::InfinitePast();
  std::string remark_;
  std::string printed_;
  absl::Time printed_at_ = absl::InfinitePast();
  std::set<std::string> failures_;
};

// The end of an attempt's log, as far as it can be had.
std::vector<std::string> LastLogLines(Session& session, const v1::RunRef& run,
                                      const TaskRef& task) {
  v1::ReadLogsRequest request;
  request.set_namespace_(session.name_space());
  *request.mutable_run() = run;
  request.set_task(task.task);
  request.set_map_index(task.map_index);
  request.set_tail_bytes(kTailBytes);
  auto stream = session.client().ReadLogs(request);
  std::string text;
  v1::LogRecord record;
  const absl::Time give_up = session.now() + absl::Seconds(5);
  for (StreamEvent event = stream->Next(kTick, &record); event != StreamEvent::kEnd;
       event = stream->Next(kTick, &record)) {
    if (event == StreamEvent::kMessage) text += record.data();
    if (session.now() > give_up) break;
  }
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(PrintableLog(text.substr(begin, end - begin), false));
    begin = end + 1;
  }
  if (lines.size() > kTailLines) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kTailLines));
  }
  return lines;
}

// "task load failed: exit code 2 (attempt 3 on worker-a)".
std::string Verdict(const TaskRef& ref, const v1::TaskInstance& task) {
  std::string why = task.error();
  if (why.empty() && task.cause() != v1::CAUSE_NONE) why = CauseName(task.cause());
  std::string text = fmt::format("task {} failed", ToString(ref));
  if (!why.empty()) text += ": " + why;
  if (task.attempt() > 0 && !task.worker().empty()) {
    text += fmt::format(" (attempt {} on {})", task.attempt(), task.worker());
  }
  return Printable(text);
}

void ShowFailedTask(Session& session, const v1::RunRef& run, const std::string& id) {
  const auto ref = ParseTaskRef(id);
  if (!ref.ok()) return;
  v1::GetTaskInstanceRequest request;
  request.set_namespace_(session.name_space());
  *request.mutable_run() = run;
  request.set_task(ref->task);
  request.set_map_index(ref->map_index);
  const auto task = session.client().GetTaskInstance(request);
  const v1::TaskInstance instance = task.ok() ? *task : v1::TaskInstance();
  session.out() << Paint(Verdict(*ref, instance), Style::kBad, session.color()) << "\n";
  for (const std::string& line : LastLogLines(session, run, *ref)) {
    session.out() << Paint("  | ", Style::kDim, session.color()) << line << "\n";
  }
}

void ShowNextSteps(Session& session, const v1::RunRef& run, const std::string& failed_task) {
  std::vector<std::string> commands;
  const std::string id = ToString(run);
  if (!failed_task.empty()) {
    commands.push_back(
        session.Suggest(fmt::format("task logs {} {}", id, ShellQuote(failed_task))));
  }
  commands.push_back(session.Suggest(fmt::format("task list {}", id)));
  commands.push_back(session.Suggest(fmt::format("run retry {} --watch", id)));
  session.out() << "Next:\n";
  for (const std::string& command : commands) session.out() << "  " << command << "\n";
}

void ShowOutcome(Session& session, const v1::RunProgress& progress) {
  const v1::Run& run = progress.run();
  v1::RunRef ref;
  ref.set_id(run.id());
  std::string text =
      fmt::format("Run {} of {}: {} after {}", run.id(), run.dag(), StateName(run.state()),
                  FormatElapsed(Elapsed(run, session.now())));
  if (!run.reason().empty()) text += fmt::format(" ({})", run.reason());
  session.out() << Paint(Printable(text), StyleOf(run.state()), session.color()) << "\n";
  if (run.state() == v1::RUN_STATE_SUCCESS) return;
  const std::string failed = progress.failed().empty() ? "" : progress.failed(0);
  if (!failed.empty()) ShowFailedTask(session, ref, failed);
  ShowNextSteps(session, ref, failed);
}

ExitCode Detach(Session& session, const v1::RunRef& run) {
  const std::string id = ToString(run);
  session.Note(fmt::format("detached; the run goes on\n  watch it again: {}\n  stop it:        {}",
                           session.Suggest("run watch " + id),
                           session.Suggest("run cancel " + id)));
  return ExitCode::kInterrupted;
}

struct WatchEnd {
  bool interrupted = false;
  v1::RunProgress progress;  // terminal unless interrupted
};

// Reads until the run has ended, the user has had enough, or the cluster is gone.
absl::StatusOr<WatchEnd> Follow(Session& session, const v1::RunRef& run, Display* display) {
  v1::WatchRunRequest request;
  request.set_namespace_(session.name_space());
  *request.mutable_run() = run;
  auto stream = session.client().WatchRun(request);
  WatchEnd end;
  while (!session.env().interrupted()) {
    v1::RunProgress progress;
    switch (stream->Next(kTick, &progress)) {
      case StreamEvent::kMessage:
        end.progress = progress;
        display->Update(progress);
        break;
      case StreamEvent::kWaiting:
        display->Tick();
        break;
      case StreamEvent::kReconnecting:
        display->ConnectionLost(stream->reason());
        break;
      case StreamEvent::kEnd:
        if (!stream->status().ok()) return stream->status();
        if (IsTerminal(end.progress.run().state())) return end;
        absl::SleepFor(kTick);
        stream = session.client().WatchRun(request);
        break;
    }
  }
  end.interrupted = true;
  return end;
}

}  // namespace

absl::StatusOr<ExitCode> Watch(Session& session, const v1::RunRef& run) {
  const InterruptGuard guard;
  Display display(session);
  PENSTOCK_ASSIGN_OR_RETURN(const WatchEnd end, Follow(session, run, &display));
  display.Finish();
  if (end.interrupted) return Detach(session, run);
  if (session.format() == Format::kTable) {
    ShowOutcome(session, end.progress);
  } else if (session.format() != Format::kJsonl) {
    session.out() << Render(end.progress, session.format());
  }
  const bool success = end.progress.run().state() == v1::RUN_STATE_SUCCESS;
  return success ? ExitCode::kSuccess : ExitCode::kRunFailed;
}

}  // namespace penstock::client
