#include "common/dag/trigger_rule.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace penstock::dag {
namespace {

// Upstream instances by outcome, as the table of rules counts them.
struct Counts {
  uint32_t s = 0, k = 0, f = 0, uf = 0, removed = 0, unfinished = 0;
  uint32_t u() const { return s + k + f + uf + unfinished; }
  uint32_t d() const { return s + k + f + uf; }
};

UpstreamView View(const Counts& c) {
  return {c.u(), c.unfinished, c.s > 0, c.f > 0, c.uf > 0, c.k > 0};
}

// One row of the table, read literally. Checked in the order: upstream_failed, skipped, runs.
struct Row {
  TriggerRule rule;
  std::function<bool(const Counts&)> fails, skips, runs;
};

const auto kNever = [](const Counts&) { return false; };
bool Done(const Counts& c) { return c.d() == c.u(); }
bool Failure(const Counts& c) { return c.f + c.uf > 0; }

std::vector<Row> Table() {
  using C = const Counts&;
  using enum TriggerRule;
  return {
      {kAllSuccess, Failure, [](C c) { return c.k > 0 && !Failure(c); },
       [](C c) { return c.s == c.u(); }},
      {kAllFailed, kNever, [](C c) { return c.s > 0 || c.k > 0; },
       [](C c) { return c.f + c.uf == c.u(); }},
      {kAllDone, kNever, kNever, Done},
      {kAllDoneMinOneSuccess, [](C c) { return Done(c) && c.k == 0 && c.s == 0; },
       [](C c) { return c.k > 0; }, [](C c) { return Done(c) && c.k == 0 && c.s >= 1; }},
      {kAllSkipped, kNever, [](C c) { return c.s + c.f + c.uf > 0; },
       [](C c) { return c.k == c.u(); }},
      {kOneSuccess, [](C c) { return Done(c) && c.s == 0 && c.k != c.u(); },
       [](C c) { return Done(c) && c.k == c.u(); }, [](C c) { return c.s >= 1; }},
      {kOneFailed, kNever, [](C c) { return Done(c) && !Failure(c); }, Failure},
      {kOneDone, kNever, [](C c) { return Done(c) && c.s + c.f == 0; },
       [](C c) { return c.s + c.f >= 1; }},
      {kNoneFailed, Failure, kNever, [](C c) { return c.u() == c.s + c.k; }},
      {kNoneFailedMinOneSuccess, Failure, [](C c) { return c.k == c.u(); },
       [](C c) { return c.u() == c.s + c.k && c.s >= 1; }},
      {kNoneSkipped, kNever, [](C c) { return c.k > 0; }, [](C c) { return Done(c) && c.k == 0; }},
      {kAlways, kNever, kNever, [](C) { return true; }},
  };
}

Judgement ReadTable(const Row& row, const Counts& c) {
  if (c.u() == 0) return Judgement::kRun;
  if (row.fails(c)) return Judgement::kUpstreamFailed;
  if (row.skips(c)) return Judgement::kSkip;
  return row.runs(c) ? Judgement::kRun : Judgement::kWait;
}

template <typename Fn>
void ForAllCounts(uint32_t most, Fn fn) {
  for (uint32_t code = 0; code < 6 * 6 * 6 * 6 * 6 * 6; ++code) {
    uint32_t rest = code;
    const auto digit = [&rest] {
      const uint32_t value = rest % 6;
      rest /= 6;
      return value;
    };
    const Counts c{digit(), digit(), digit(), digit(), digit(), digit()};
    if (c.u() + c.removed <= most) fn(c);
  }
}

TEST(TriggerRuleTest, JudgesLikeTheTableForAllOutcomesOfUpToFourUpstreams) {
  const std::vector<Row> table = Table();
  ASSERT_EQ(table.size(), static_cast<size_t>(kTriggerRuleCount));
  int judged = 0;
  ForAllCounts(4, [&](const Counts& c) {
    for (const Row& row : table) {
      ASSERT_EQ(Judge(row.rule, View(c)), ReadTable(row, c))
          << ToString(row.rule) << " S" << c.s << " K" << c.k << " F" << c.f << " UF" << c.uf
          << " unfinished " << c.unfinished;
      ++judged;
    }
  });
  EXPECT_EQ(judged, 210 * kTriggerRuleCount);  // ways to put at most 4 upstreams into 6 states
}

// What was judged must not be judged otherwise when more upstream instances finish.
TEST(TriggerRuleTest, VerdictsAreFinalWhenMoreFinishes) {
  ForAllCounts(4, [&](const Counts& c) {
    if (c.unfinished == 0) return;
    for (uint32_t Counts::*outcome : {&Counts::s, &Counts::k, &Counts::f, &Counts::uf}) {
      Counts next = c;
      --next.unfinished;
      ++(next.*outcome);
      for (int i = 0; i < kTriggerRuleCount; ++i) {
        const auto rule = static_cast<TriggerRule>(i);
        const Judgement before = Judge(rule, View(c));
        // A skip on sight can turn into a failure for the one rule that looks for failures first.
        if (before == Judgement::kWait || rule == TriggerRule::kAllSuccess) continue;
        ASSERT_EQ(Judge(rule, View(next)), before) << ToString(rule);
      }
    }
  });
}

TEST(TriggerRuleTest, EverybodyFinishedLeavesNobodyWaiting) {
  ForAllCounts(4, [&](const Counts& c) {
    if (c.unfinished > 0) return;
    for (int i = 0; i < kTriggerRuleCount; ++i) {
      ASSERT_NE(Judge(static_cast<TriggerRule>(i), View(c)), Judgement::kWait);
    }
  });
}

TEST(TriggerRuleTest, NamesAreReadBack) {
  for (std::string_view name : TriggerRuleNames()) {
    const auto rule = ParseTriggerRule(name);
    ASSERT_TRUE(rule.has_value()) << name;
    EXPECT_EQ(ToString(*rule), name);
  }
  EXPECT_FALSE(ParseTriggerRule("all_done_setup_success").has_value());
}

}  // namespace
}  // namespace penstock::dag
