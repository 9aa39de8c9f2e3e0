#include "scheduler/core/isolation_judge.h"

#include <algorithm>

namespace penstock::core {

// Beats come at the same pace everywhere. When the database has just gone for all, the others' last
// ones are about as old as this scheduler's own; half its age can only be a beat that came after.
bool IsolationJudge::CutOff(const LastBeat& own, const std::vector<LastBeat>& others,
                            SteadyTime now) {
  if (own.ready || others.empty()) return false;
  const auto ready = [](const LastBeat& other) { return other.ready; };
  if (std::none_of(others.begin(), others.end(), ready)) all_out_ = now;
  const auto came_after = [&own](const LastBeat& other) {
    return other.ready && other.age < own.age / 2;
  };
  return std::any_of(others.begin(), others.end(), came_after) && now - all_out_ > coming_back_;
}

}  // namespace penstock::core
