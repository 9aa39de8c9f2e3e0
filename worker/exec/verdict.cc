#include "worker/exec/verdict.h"

#include <fmt/format.h>
#include <string.h>
#include <sys/wait.h>

#include <utility>

#include "common/base/status.h"
#include "worker/exec/output.h"

namespace penstock::worker::exec {
namespace {

std::string HowItEnded(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "ended by " + SignalName(WTERMSIG(wait_status));
  return fmt::format("ended with exit code {}", WEXITSTATUS(wait_status));
}

Report Failed(Report report, Cause cause, std::string error) {
  report.outcome = Outcome::kFailed;
  report.cause = cause;
  report.error = std::move(error);
  return report;
}

// What a message can carry: the guardian's buffer may end within a character, and names of files
// are any bytes.
std::string_view Utf8Part(std::string_view text) {
  while (!IsUtf8(text)) text.remove_suffix(1);
  return text;
}

std::string OutOfMemoryText(const AttemptFacts& facts) {
  if (facts.memory_bytes <= 0) return "killed by the kernel because memory ran out";
  return fmt::format("killed by the kernel at its memory limit of {} MiB",
                     (facts.memory_bytes + (1 << 20) - 1) >> 20);
}

Report Succeeded(Report report, const absl::StatusOr<std::string>& output) {
  if (!output.ok()) {
    return Failed(std::move(report), Cause::kOutputInvalid, std::string(Message(output.status())));
  }
  report.outcome = Outcome::kSuccess;
  report.output_json = *output;
  return report;
}

// The attempt ended without our doing.
Report JudgeOwnEnd(Report report, const guard::Ended& ended, const AttemptFacts& facts,
                   const absl::StatusOr<std::string>& output) {
  const bool exited = WIFEXITED(ended.wait_status);
  if (exited && report.exit_code == 0) return Succeeded(std::move(report), output);
  if (exited && facts.skip_exit_code != 0 && report.exit_code == facts.skip_exit_code) {
    report.outcome = Outcome::kSkipped;
    report.cause = Cause::kSkipRequested;
    return report;
  }
  if (ended.out_of_memory != 0) {
    return Failed(std::move(report), Cause::kOutOfMemory, OutOfMemoryText(facts));
  }
  return Failed(std::move(report), exited ? Cause::kExitCode : Cause::kSignal,
                HowItEnded(ended.wait_status));
}

Report Measured(const guard::Ended& ended) {
  Report report;
  report.peak_rss_kib = ended.peak_rss_kib;
  report.cpu_ms = ended.cpu_us / 1000;
  if (ended.pid == 0) return report;
  if (WIFEXITED(ended.wait_status)) report.exit_code = WEXITSTATUS(ended.wait_status);
  if (WIFSIGNALED(ended.wait_status)) report.signal = WTERMSIG(ended.wait_status);
  return report;
}

}  // namespace

Report Judge(const guard::Ended& ended, const AttemptFacts& facts,
             const absl::StatusOr<std::string>& output) {
  Report report = Measured(ended);
  switch (ended.by) {
    case guard::EndedBy::kItself:
      return JudgeOwnEnd(std::move(report), ended, facts, output);
    case guard::EndedBy::kNotStarted:
      return Failed(std::move(report), Cause::kSpawnFailed,
                    fmt::format("cannot start: {}", Utf8Part(ended.error.data())));
    case guard::EndedBy::kLease:
      return Failed(std::move(report), Cause::kLeaseLost, "the worker's lease ran out");
    case guard::EndedBy::kGuardianLost:
      return Failed(std::move(report), Cause::kWorkerLost, "the worker's guardian died");
    case guard::EndedBy::kTimeout:
      return Failed(std::move(report), Cause::kTimeout,
                    fmt::format("timed out after {}; {}", absl::FormatDuration(facts.timeout),
                                HowItEnded(ended.wait_status)));
    case guard::EndedBy::kRequest:
      return Failed(std::move(report), facts.kill_cause,
                    fmt::format("stopped ({}); {}", ToString(facts.kill_cause),
                                HowItEnded(ended.wait_status)));
  }
  return Failed(std::move(report), Cause::kSpawnFailed, "the guardian is of a different build");
}

Report FailedReport(Cause cause, std::string error) {
  return Failed(Report(), cause, std::move(error));
}

std::string SignalName(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal);
}

}  // namespace penstock::worker::exec
