// Failovers of PostgreSQL under load.
#include <algorithm>
#include <cstdio>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"
#include "tests/chaos/stage.h"

namespace penstock::chaos {
namespace {

absl::StatusOr<double> TimedFailOver(Fleet& fleet) {
  const SteadyTime begin = RealClock().Steady();
  PENSTOCK_RETURN_IF_ERROR(fleet.FailOver());
  return absl::ToDoubleSeconds(RealClock().Steady() - begin);
}

}  // namespace

// A synchronous standby has every commit that anybody was told of: nothing may be lost, and since
// the owner lives and can tell, tasks run on.
absl::StatusOr<bool> FailOver(Stage& stage) {
  const std::string incarnation = stage.Incarnation();
  const auto load = stage.StartLoad();
  absl::SleepFor(absl::Seconds(4));
  PENSTOCK_ASSIGN_OR_RETURN(const double took, TimedFailOver(*stage.fleet));
  absl::SleepFor(absl::Seconds(6));
  load->Stop();
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, stage.AllEnd());
  Verdict verdict = stage.JudgeRuns(load->acknowledged());
  if (verdict.repeated != 0) {
    verdict.violations.push_back(fmt::format("{} attempts did not go on", verdict.repeated));
  }
  if (stage.Incarnation() != incarnation) {
    verdict.violations.emplace_back("a new incarnation, although nothing was lost");
  }
  std::vector<int64_t> ids = load->acknowledged();
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
    verdict.violations.emplace_back("a run id was given out twice");
  }
  std::printf(
      "runs %zu (refused %d), attempts %lld (%lld repeated); promoted after %.1f s, longest "
      "gap %.1f s, ended %.1f s after the load\n",
      ids.size(), load->refused(), static_cast<long long>(verdict.attempts),
      static_cast<long long>(verdict.repeated), took, verdict.longest_gap,
      absl::ToDoubleSeconds(recovery));
  return Tell(verdict.violations);
}

absl::StatusOr<bool> FailOverWithLoss(Stage& stage) {
  const std::string incarnation = stage.Incarnation();
  const std::vector<int64_t> before = stage.LoadFor(absl::Seconds(3));
  absl::SleepFor(absl::Milliseconds(500));
  stage.fleet->standby().Feed("refuse");
  const std::vector<int64_t> lost = stage.LoadFor(absl::Seconds(3));
  PENSTOCK_ASSIGN_OR_RETURN(const double took, TimedFailOver(*stage.fleet));
  const std::vector<int64_t> after = stage.LoadFor(absl::Seconds(15));
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, stage.AllEnd());
  const Verdict verdict = JudgeNewLife(stage, incarnation, before, lost, after);
  std::printf(
      "runs kept %zu + %zu, lost with the primary %zu; attempts %lld (%lld repeated); "
      "promoted after %.1f s, longest gap %.1f s, ended %.1f s after the load\n",
      before.size(), after.size(), lost.size(), static_cast<long long>(verdict.attempts),
      static_cast<long long>(verdict.repeated), took, verdict.longest_gap,
      absl::ToDoubleSeconds(recovery));
  return Tell(verdict.violations);
}

}  // namespace penstock::chaos
