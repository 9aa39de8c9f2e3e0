#include "scheduler/sim/shrink.h"

#include <algorithm>
#include <utility>

namespace penstock::sim {
namespace {

class Shrinker {
 public:
  Shrinker(const Options& options, int most_tries) : most_tries_(most_tries) {
    best_.options = options;
    best_.report = World(options).Run();
  }

  Shrunk Run() {
    // The cheapest first: fewer tasks make every later try quicker.
    while (best_.options.tasks > 1 && Try([](Options& o) { o.tasks /= 2; })) {
    }
    LeaveOutFaults();
    Try([](Options& o) { o.lost_answers = false; });
    Try([](Options& o) { o.users = false; });
    while (best_.options.workers > 1 && Try([](Options& o) { --o.workers; })) {
    }
    while (best_.options.schedulers > 1 && Try([](Options& o) { --o.schedulers; })) {
    }
    LeaveOutFaults();
    best_.tries = tries_;
    return best_;
  }

 private:
  template <typename Change>
  bool Try(const Change& change) {
    if (tries_ >= most_tries_) return false;
    ++tries_;
    Options options = best_.options;
    change(options);
    Report report = World(options).Run();
    if (report.violations.empty()) return false;
    best_.options = std::move(options);
    best_.report = std::move(report);
    return true;
  }

  // By halves, then by quarters, down to single ones.
  void LeaveOutFaults() {
    for (int size = std::max(1, best_.report.faults_planned / 2); size >= 1; size /= 2) {
      for (int first = 0; first < best_.report.faults_planned; first += size) {
        if (!AnyLeft(first, size)) continue;
        Try([&](Options& o) {
          for (int n = first; n < first + size; ++n) o.skipped_faults.insert(n);
        });
      }
    }
  }
  bool AnyLeft(int first, int size) const {
    for (int n = first; n < first + size; ++n) {
      if (!best_.options.skipped_faults.contains(n)) return true;
    }
    return false;
  }

  const int most_tries_;
  int tries_ = 0;
  Shrunk best_;
};

}  // namespace

Shrunk Shrink(const Options& options, int most_tries) {
  return Shrinker(options, most_tries).Run();
}

}  // namespace penstock::sim
