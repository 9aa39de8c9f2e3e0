#pragma once
// Whether a scheduler alone has lost the database, judged from its own last beat and the others'.
// Pure.
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"

namespace penstock::core {

// A scheduler's last beat that reached the database, as of now.
struct LastBeat {
  absl::Duration age;
  bool ready = false;  // its lease still holds
};

// Not thread-safe.
class IsolationJudge {
 public:
  // `coming_back`: how far apart schedulers may reach the database again after an outage. By
  // default: a beat that hangs is given up after 5 s, and the next one comes within a second.
  explicit IsolationJudge(absl::Duration coming_back = absl::Seconds(6))
      : coming_back_(coming_back) {}

  // `others`: those who answered. With nobody else there is nobody to ask: not cut off.
  bool CutOff(const LastBeat& own, const std::vector<LastBeat>& others, SteadyTime now);

 private:
  const absl::Duration coming_back_;
  SteadyTime all_out_;  // when the others were last known to fare no better
};

}  // namespace penstock::core
