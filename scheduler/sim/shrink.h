#pragma once
// Makes the story of a failing seed short: whatever can be left out while some invariant is still
// violated is left out.
#include "scheduler/sim/world.h"

namespace penstock::sim {

struct Shrunk {
  Options options;  // violate an invariant again
  Report report;    // of the last time that they did
  int tries = 0;
};

// `options` must violate an invariant. Runs at most `most_tries` simulations.
Shrunk Shrink(const Options& options, int most_tries);

}  // namespace penstock::sim
