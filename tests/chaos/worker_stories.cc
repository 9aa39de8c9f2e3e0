// Workers that nobody can reach, and a machine that is gone with all that ran on it.
#include <algorithm>
#include <csignal>
#include <cstdio>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/process/process_tree.h"
#include "fmt/format.h"
#include "tests/chaos/stage.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kSessionTerm = absl::Seconds(6);  // FleetOptions' default
constexpr absl::Duration kMargin = absl::Seconds(1);       // and what a kill may take

double WallSeconds() { return absl::ToDoubleSeconds(RealClock().Wall() - absl::UnixEpoch()); }

// How long after `cut` those attempts were last seen that were running then; 0 = none was.
double LastSignOfLife(const Truth& truth, double cut, double until) {
  double last = 0;
  for (const Execution& e : truth.executions) {
    if (e.first < cut) last = std::max(last, std::min(e.last, until) - cut);
  }
  return last;
}

// When, after `from`, the first attempt started that repeats another one; 0 = never.
double FirstRepeat(const Truth& truth, double from) {
  double first = 0;
  for (const Execution& e : truth.executions) {
    const double after = e.first - from;
    if (e.attempt > 1 && after > 0 && (first == 0 || after < first)) first = after;
  }
  return first;
}

absl::StatusOr<bool> Judged(const Stage& stage, const std::vector<int64_t>& runs,
                            std::vector<std::string> violations) {
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  Verdict verdict = stage.JudgeRuns(runs);
  verdict.violations.insert(verdict.violations.end(), violations.begin(), violations.end());
  if (verdict.repeated == 0) verdict.violations.push_back("nothing was lost: no test");
  return Tell(verdict.violations);
}

}  // namespace

absl::StatusOr<bool> CutWorkers(Stage& stage, std::string_view how) {
  const std::vector<int64_t> runs = stage.LoadFor(absl::Seconds(2));
  Fleet& fleet = *stage.fleet;
  const auto all = [&](std::string_view command) {
    for (size_t i = 0; i < fleet.schedulers().size(); ++i)
      fleet.scheduler_proxy(i).Command(command);
  };
  const double cut = WallSeconds();
  all(how);
  absl::SleepFor(2 * kSessionTerm);
  const double healed = WallSeconds();
  all("pass");
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  const Truth truth = ReadTruth(stage.truth_file);
  const double life = LastSignOfLife(truth, cut, healed);
  std::printf("last sign of life %.1f s after the cut; repeated from %.1f s after it healed\n",
              life, FirstRepeat(truth, healed));
  std::vector<std::string> violations;
  if (life > absl::ToDoubleSeconds(kSessionTerm + kMargin)) {
    violations.push_back(fmt::format("an attempt lived for {:.1f} s without a lease", life));
  }
  return Judged(stage, runs, std::move(violations));
}

absl::StatusOr<bool> LoseNode(Stage& stage) {
  const std::vector<int64_t> runs = stage.LoadFor(absl::Seconds(2));
  Node& worker = stage.fleet->workers()[0];
  const double lost = WallSeconds();
  // The guardian as well: there is nobody left to report anything.
  worker.Signal(SIGSTOP);
  process::StrikeDescendants(worker.pid());
  worker.Kill();
  PENSTOCK_RETURN_IF_ERROR(stage.AllEnd().status());
  const double repeat = FirstRepeat(ReadTruth(stage.truth_file), lost);
  std::printf("its tasks run elsewhere from %.1f s after its end\n", repeat);
  std::vector<std::string> violations;
  const absl::Duration bound = kSessionTerm + kMargin + kMargin;
  if (repeat > absl::ToDoubleSeconds(bound)) violations.push_back("later than lease and margin");
  return Judged(stage, runs, std::move(violations));
}

}  // namespace penstock::chaos
