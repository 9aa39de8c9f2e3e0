#include "tests/chaos/truth.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "fmt/format.h"

namespace penstock::chaos {
namespace {

constexpr size_t kMostTold = 50;
using Instance = std::pair<int64_t, std::string>;

class Judgement {
 public:
  Judgement(const Truth& truth, const Expected& expected) : expected_(expected) {
    for (const Execution& e : truth.executions) by_instance_[{e.run, e.task}].push_back(&e);
    for (auto& [instance, attempts] : by_instance_) {
      std::sort(attempts.begin(), attempts.end(),
                [](auto* a, auto* b) { return a->attempt < b->attempt; });
      verdict_.repeated += static_cast<int64_t>(attempts.size()) - 1;
    }
    for (const std::string& line : truth.strange) Violation("strange line: {}", line);
    verdict_.attempts = static_cast<int64_t>(truth.executions.size());
  }

  void Attempts() {
    for (const auto& [instance, attempts] : by_instance_) {
      const Execution* before = nullptr;
      for (const Execution* e : attempts) {
        if (e->starts != 1 || e->ends > 1) {
          Violation("{} started {} times and ended {} times", Name(*e), e->starts, e->ends);
        }
        if (before != nullptr && e->first < before->last) {
          Violation("{} started {:.3f} s before attempt {} was last seen", Name(*e),
                    before->last - e->first, before->attempt);
        }
        before = e;
      }
    }
  }

  void Completeness(const std::vector<int64_t>& runs) {
    for (const int64_t run : runs) {
      for (const std::string& task : expected_.tasks) {
        const double end = LastEnd({run, task});
        if (end == 0) Violation("run {} task {} never ended", run, task);
      }
    }
  }

  void Order() {
    for (const auto& [instance, attempts] : by_instance_) {
      const auto needs = expected_.needs.find(instance.second);
      if (needs == expected_.needs.end()) continue;
      for (const std::string& upstream : needs->second) {
        const double end = FirstEnd({instance.first, upstream});
        if (end == 0 || attempts.front()->first < end) {
          Violation("{} started before {} had ended", Name(*attempts.front()), upstream);
        }
      }
    }
  }

  void Pool(const Truth& truth) {
    std::vector<std::pair<double, int>> changes;
    for (const Execution& e : truth.executions) {
      if (!std::count(expected_.pool.begin(), expected_.pool.end(), e.task)) continue;
      changes.emplace_back(e.first, +1);
      changes.emplace_back(e.last, -1);  // at equal times the end comes first
    }
    std::sort(changes.begin(), changes.end());
    int now = 0;
    for (const auto& [time, change] : changes) {
      now += change;
      verdict_.most_in_pool = std::max(verdict_.most_in_pool, now);
    }
    if (verdict_.most_in_pool > expected_.pool_slots) {
      Violation("{} at once in a pool of {}", verdict_.most_in_pool, expected_.pool_slots);
    }
  }

  void Gaps(const Truth& truth) {
    std::vector<double> starts;
    for (const Execution& e : truth.executions) starts.push_back(e.first);
    std::sort(starts.begin(), starts.end());
    for (size_t i = 1; i < starts.size(); ++i) {
      if (starts[i] - starts[i - 1] <= verdict_.longest_gap) continue;
      verdict_.longest_gap = starts[i] - starts[i - 1];
      verdict_.gap_end = starts[i];
    }
  }

  Verdict Take() { return std::move(verdict_); }

 private:
  static std::string Name(const Execution& e) {
    return fmt::format("run {} task {} attempt {}", e.run, e.task, e.attempt);
  }

  template <typename... Args>
  void Violation(fmt::format_string<Args...> text, Args&&... args) {
    if (verdict_.violations.size() >= kMostTold) return;
    verdict_.violations.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  // When an attempt of the instance ended for the first or the last time; 0 = never.
  double FirstEnd(const Instance& instance) const { return End(instance, false); }
  double LastEnd(const Instance& instance) const { return End(instance, true); }
  double End(const Instance& instance, bool last) const {
    const auto found = by_instance_.find(instance);
    if (found == by_instance_.end()) return 0;
    double end = 0;
    for (const Execution* e : found->second) {
      if (e->ends == 0 || (end != 0 && !last)) continue;
      end = e->last;
    }
    return end;
  }

  const Expected& expected_;
  std::map<Instance, std::vector<const Execution*>> by_instance_;
  Verdict verdict_;
};

}  // namespace

Truth ParseTruth(std::string_view text) {
  Truth truth;
  std::map<std::tuple<int64_t, std::string, int32_t>, size_t> known;
  const std::vector<std::string> lines =
      absl::StrSplit(absl::string_view(text.data(), text.size()), '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    int64_t run = 0;
    int32_t attempt = 0;
    double time = 0;
    const bool event =
        words.size() == 5 && (words[3] == "start" || words[3] == "alive" || words[3] == "end");
    if (!event || !absl::SimpleAtoi(words[0], &run) || !absl::SimpleAtoi(words[2], &attempt) ||
        !absl::SimpleAtod(words[4], &time)) {
      truth.strange.push_back(line);
      continue;
    }
    const auto [it, added] = known.try_emplace({run, words[1], attempt}, truth.executions.size());
    if (added) truth.executions.push_back({run, words[1], attempt, time, time, 0, 0});
    Execution& execution = truth.executions[it->second];
    execution.first = std::min(execution.first, time);
    execution.last = std::max(execution.last, time);
    if (words[3] == "start") ++execution.starts;
    if (words[3] == "end") ++execution.ends;
  }
  return truth;
}

Verdict Judge(const Truth& truth, const std::vector<int64_t>& runs, const Expected& expected) {
  Judgement judgement(truth, expected);
  judgement.Attempts();
  judgement.Completeness(runs);
  judgement.Order();
  judgement.Pool(truth);
  judgement.Gaps(truth);
  return judgement.Take();
}

}  // namespace penstock::chaos
