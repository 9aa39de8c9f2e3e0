#include "tests/chaos/stage.h"

#include <algorithm>
#include <cstdio>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "fmt/format.h"

namespace penstock::chaos {
namespace {

constexpr absl::Duration kPace = absl::Milliseconds(150);
constexpr absl::Duration kBound = absl::Seconds(60);

}  // namespace

std::unique_ptr<Load> Stage::StartLoad(size_t first) const {
  return std::make_unique<Load>(fleet->NewClient(absl::Seconds(30), first), kPace);
}

std::vector<int64_t> Stage::LoadFor(absl::Duration length) const {
  const auto load = StartLoad();
  absl::SleepFor(length);
  load->Stop();
  return load->acknowledged();
}

absl::StatusOr<absl::Duration> Stage::AllEnd() const { return WaitForEnd(*client, kBound); }

Verdict Stage::JudgeRuns(const std::vector<int64_t>& runs) const {
  const Truth truth = ReadTruth(truth_file);
  Verdict verdict = Judge(truth, runs, WorkloadRules());
  CompareWithTruth(*client, runs, truth, &verdict.violations);
  return verdict;
}

std::string Stage::Incarnation() const {
  return fleet->Query("select incarnation from penstock.settings");
}

bool Tell(const std::vector<std::string>& violations) {
  for (const std::string& violation : violations) std::printf("VIOLATION %s\n", violation.c_str());
  return violations.empty();
}

absl::StatusOr<bool> Conclude(const Stage& stage, Load& load, std::vector<std::string> violations,
                              double gap_seconds) {
  load.Stop();
  PENSTOCK_ASSIGN_OR_RETURN(const absl::Duration recovery, stage.AllEnd());
  Verdict verdict = stage.JudgeRuns(load.acknowledged());
  verdict.violations.insert(verdict.violations.end(), violations.begin(), violations.end());
  if (verdict.repeated != 0) {
    verdict.violations.push_back(fmt::format("{} attempts did not go on", verdict.repeated));
  }
  if (verdict.longest_gap > gap_seconds) {
    verdict.violations.push_back(fmt::format("nothing started for more than {} s", gap_seconds));
  }
  std::printf(
      "runs %zu (refused %d), attempts %lld (%lld repeated), longest gap %.1f s, ended %.1f s "
      "after the load\n",
      load.acknowledged().size(), load.refused(), static_cast<long long>(verdict.attempts),
      static_cast<long long>(verdict.repeated), verdict.longest_gap,
      absl::ToDoubleSeconds(recovery));
  return Tell(verdict.violations);
}

Verdict JudgeNewLife(const Stage& stage, const std::string& incarnation_before,
                     const std::vector<int64_t>& before, const std::vector<int64_t>& lost,
                     const std::vector<int64_t>& after) {
  std::vector<int64_t> kept = before;
  kept.insert(kept.end(), after.begin(), after.end());
  Verdict verdict = stage.JudgeRuns(kept);
  for (const int64_t run : lost) {
    if (std::find(after.begin(), after.end(), run) != after.end()) {
      verdict.violations.push_back(fmt::format("run id {} was given out twice", run));
    }
  }
  if (stage.Incarnation() == incarnation_before) {
    verdict.violations.emplace_back("the incarnation is the old one");
  }
  return verdict;
}

}  // namespace penstock::chaos
