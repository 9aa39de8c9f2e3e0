// penstock-sim: the cluster in virtual time, seed by seed, until an invariant breaks.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "scheduler/sim/shrink.h"
#include "scheduler/sim/world.h"

namespace {

using penstock::sim::Mutation;
using penstock::sim::Mutations;
using penstock::sim::Options;
using penstock::sim::Report;
using penstock::sim::Shrink;
using penstock::sim::Shrunk;
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
    "  --shrink        leave out of a failing seed's story what the violation does not need\n"
    "  --skip-faults N,M,...  --no-users  --no-lost-answers   what was left out\n"
    "A failing seed is printed with what was violated; the same seed replays it.\n";

struct Settings {
  Options options;
  int seeds = 20;
  int64_t total = 0;
  bool all_mutations = false;
  bool shrink = false;
};

std::optional<std::set<int>> Numbers(const std::string& list) {
  std::set<int> numbers;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) {
    int number = 0;
    if (!absl::SimpleAtoi(word, &number)) return std::nullopt;
    numbers.insert(number);
  }
  return numbers;
}

bool ParseSwitch(const std::string& flag, Settings* s) {
  if (flag == "--no-faults") {
    s->options.faults = false;
  } else if (flag == "--no-users") {
    s->options.users = false;
  } else if (flag == "--no-lost-answers") {
    s->options.lost_answers = false;
  } else if (flag == "--verbose") {
    s->options.verbose = true;
  } else if (flag == "--mutations") {
    s->all_mutations = true;
  } else if (flag == "--shrink") {
    s->shrink = true;
  } else {
    return false;
  }
  return true;
}

bool Parse(int argc, char** argv, Settings* s) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (ParseSwitch(flag, s)) continue;
    if (i + 1 >= argc) return false;
    const std::string value = argv[++i];
    if (flag == "--mutation") {
      const auto it = Mutations().find(value);
      if (it == Mutations().end()) return false;
      s->options.mutation = it->second;
      continue;
    }
    if (flag == "--skip-faults") {
      const std::optional<std::set<int>> numbers = Numbers(value);
      if (!numbers) return false;
      s->options.skipped_faults = *numbers;
      continue;
    }
    int64_t number = 0;
    if (!absl::SimpleAtoi(value, &number)) return false;
    if (flag == "--seed") {
      s->options.seed = static_cast<uint64_t>(number);
    } else if (flag == "--seeds") {
      s->seeds = static_cast<int>(number);
    } else if (flag == "--tasks") {
      s->options.tasks = number;
    } else if (flag == "--total") {
      s->total = number;
    } else if (flag == "--schedulers") {
      s->options.schedulers = static_cast<int>(number);
    } else if (flag == "--workers") {
      s->options.workers = static_cast<int>(number);
    } else if (flag == "--slots") {
      s->options.slots = static_cast<int>(number);
    } else {
      return false;
    }
  }
  return true;
}

// What is left when everything is left out that can be, and how to see it again.
void TellShort(const Options& failing) {
  constexpr int kTries = 400;
  const Shrunk shrunk = Shrink(failing, kTries);
  const Options& o = shrunk.options;
  std::printf("the shortest of %d stories:\n", shrunk.tries);
  for (const std::string& line : shrunk.report.story) std::printf("  %s\n", line.c_str());
  for (const std::string& text : shrunk.report.violations) std::printf("  %s\n", text.c_str());
  std::printf("  --seed %llu --seeds 1 --tasks %lld --schedulers %d --workers %d%s%s",
              static_cast<unsigned long long>(o.seed), static_cast<long long>(o.tasks),
              o.schedulers, o.workers, o.users ? "" : " --no-users",
              o.lost_answers ? "" : " --no-lost-answers");
  const char* before = " --skip-faults ";
  for (const int number : o.skipped_faults) {
    if (number >= shrunk.report.faults_planned) break;
    std::printf("%s%d", std::exchange(before, ","), number);
  }
  std::printf(" --verbose\n");
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
    sum->met.insert(report.met.begin(), report.met.end());
    sum->poisons += report.poisons;
    sum->poison_kills += report.poison_kills;
    sum->released += report.released;
    sum->virtual_seconds += report.virtual_seconds;
    if (report.violations.empty()) continue;
    std::printf("seed %llu violates:\n", static_cast<unsigned long long>(s.options.seed));
    for (const std::string& text : report.violations) std::printf("  %s\n", text.c_str());
    if (s.shrink) TellShort(s.options);
    return 1;
  }
  return 0;
}

void Print(const Report& sum, double seconds) {
  std::printf(
      "%lld task instances ended, %lld attempts, %lld flushes, %lld faults, %lld takeovers, "
      "%lld reloads; %lld poisons ended %lld schedulers, %lld runs released from quarantine; "
      "%zu of %zu faults met at their moments; in %.1f s (%.0f virtual s)\n",
      static_cast<long long>(sum.completed), static_cast<long long>(sum.launched),
      static_cast<long long>(sum.flushes), static_cast<long long>(sum.faults),
      static_cast<long long>(sum.takeovers), static_cast<long long>(sum.reloads),
      static_cast<long long>(sum.poisons), static_cast<long long>(sum.poison_kills),
      static_cast<long long>(sum.released), sum.met.size(),
      penstock::sim::kFaultKinds * penstock::sim::kMoments, seconds, sum.virtual_seconds);
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
