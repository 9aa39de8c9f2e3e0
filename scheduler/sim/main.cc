// penstock-sim: the cluster in virtual time, seed by seed, until an invariant breaks.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "scheduler/sim/world.h"

namespace {

using penstock::sim::Mutation;
using penstock::sim::Mutations;
using penstock::sim::Options;
using penstock::sim::Report;
using penstock::sim::World;

constexpr const char* kHelp =
    "penstock-sim: simulates clusters with faults and checks the invariants at every step\n"
    "  --seed N        first seed (1)\n"
    "  --seeds N       how many seeds, one cluster each (20)\n"
    "  --tasks N       task instances of each cluster (2000)\n"
    "  --total N       go on with further seeds until so many task instances have ended (0)\n"
    "  --schedulers N  (2)   --workers N (3)   --slots N (8)\n"
    "  --no-faults     only the workload\n"
    "  --mutation M    make a deliberate mistake; expects a violation: exit 0 when one is found\n"
    "  --mutations     every mutation in turn, each within the given seeds\n"
    "  --verbose       tell the story (with one seed)\n"
    "A failing seed is printed with what was violated; the same seed replays it.\n";

struct Settings {
  Options options;
  int seeds = 20;
  int64_t total = 0;
  bool all_mutations = false;
};

bool Parse(int argc, char** argv, Settings* s) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--no-faults") {
      s->options.faults = false;
      continue;
    }
    if (flag == "--verbose") {
      s->options.verbose = true;
      continue;
    }
    if (flag == "--mutations") {
      s->all_mutations = true;
      continue;
    }
    if (i + 1 >= argc) return false;
    const std::string value = argv[++i];
    if (flag == "--mutation") {
      const auto it = Mutations().find(value);
      if (it == Mutations().end()) return false;
      s->options.mutation = it->second;
      continue;
    }
    const int64_t number = std::atoll(value.c_str());
    if (flag == "--seed") s->options.seed = static_cast<uint64_t>(number);
    else if (flag == "--seeds") s->seeds = static_cast<int>(number);
    else if (flag == "--tasks") s->options.tasks = number;
    else if (flag == "--total") s->total = number;
    else if (flag == "--schedulers") s->options.schedulers = static_cast<int>(number);
    else if (flag == "--workers") s->options.workers = static_cast<int>(number);
    else if (flag == "--slots") s->options.slots = static_cast<int>(number);
    else return false;
  }
  return true;
}

// The number of seeds with a violation; stops at the first.
int RunSeeds(Settings s, Report* sum) {
  const uint64_t first = s.options.seed;
  for (int i = 0; i < s.seeds || sum->completed < s.total; ++i) {
    s.options.seed = first + static_cast<uint64_t>(i);
    const Report report = World(s.options).Run();
    sum->completed += report.completed;
    sum->launched += report.launched;
    sum->takeovers += report.takeovers;
    sum->reloads += report.reloads;
    sum->faults += report.faults;
    sum->flushes += report.flushes;
    sum->virtual_seconds += report.virtual_seconds;
    if (report.violations.empty()) continue;
    std::printf("seed %llu violates:\n", static_cast<unsigned long long>(s.options.seed));
    for (const std::string& text : report.violations) std::printf("  %s\n", text.c_str());
    return 1;
  }
  return 0;
}

void Print(const Report& sum, double seconds) {
  std::printf(
      "%lld task instances ended, %lld attempts, %lld flushes, %lld faults, %lld takeovers, "
      "%lld reloads in %.1f s (%.0f virtual s)\n",
      static_cast<long long>(sum.completed), static_cast<long long>(sum.launched),
      static_cast<long long>(sum.flushes), static_cast<long long>(sum.faults),
      static_cast<long long>(sum.takeovers), static_cast<long long>(sum.reloads), seconds,
      sum.virtual_seconds);
}

int RunMutations(const Settings& settings) {
  int missed = 0;
  for (const auto& [name, mutation] : Mutations()) {
    if (mutation == Mutation::kNone) continue;
    Settings s = settings;
    s.options.mutation = mutation;
    std::printf("mutation %s: ", name.c_str());
    Report sum;
    const bool caught = RunSeeds(s, &sum) > 0;
    if (!caught) std::printf("NOT CAUGHT within %d seeds\n", s.seeds);
    missed += caught ? 0 : 1;
  }
  return missed;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  if (!Parse(argc, argv, &settings)) {
    std::fputs(kHelp, stderr);
    return 2;
  }
  if (settings.all_mutations) return RunMutations(settings) == 0 ? 0 : 1;
  const auto began = std::chrono::steady_clock::now();
  Report sum;
  const int failed = RunSeeds(settings, &sum);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  Print(sum, seconds);
  const bool expects = settings.options.mutation != Mutation::kNone;
  return (failed > 0) == expects ? 0 : 1;
}
