// penstock-bench: what Penstock does on this machine, beside what the machine can do.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/testing/temp_dir.h"
#include "tests/bench/measure.h"
#include "tests/bench/report.h"

namespace {

using penstock::bench::Report;
using penstock::bench::Settings;

constexpr const char* kHelp =
    "penstock-bench: measures clusters of the binaries beside it, on this machine\n"
    "  --only LIST   of: throughput shell submit edges memory idle takeover bigrun growth (all)\n"
    "  --case TEXT   of throughput's shapes and growth's loads those with TEXT in their names\n"
    "  --rounds N    floor and Penstock take turns so often; medians are printed (3)\n"
    "  --scale F     fewer tasks, for a look only: 0.1 (1)\n"
    "  --json        print JSON instead of the table\n"
    "Only the ratios of one run mean something. Nothing else should run on the machine.\n";

struct Part {
  const char* name;
  absl::Status (*measure)(const Settings&, Report*);
};

constexpr Part kParts[] = {
    {"throughput", penstock::bench::MeasureThroughput}, {"shell", penstock::bench::MeasureShell},
    {"submit", penstock::bench::MeasureSubmit},         {"edges", penstock::bench::MeasureEdges},
    {"memory", penstock::bench::MeasureMemory},         {"idle", penstock::bench::MeasureIdle},
    {"takeover", penstock::bench::MeasureTakeover},     {"bigrun", penstock::bench::MeasureBigRun},
    {"growth", penstock::bench::MeasureGrowth}};

bool IsPart(const std::string& name) {
  return std::any_of(std::begin(kParts), std::end(kParts),
                     [&](const Part& part) { return name == part.name; });
}

struct Command {
  Settings settings;
  std::vector<std::string> only;
  bool json = false;
};

bool Parse(const std::vector<std::string>& args, Command* command) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--json") {
      command->json = true;
      continue;
    }
    if (i + 1 == args.size()) return false;
    const std::string& value = args[i + 1];
    if (args[i] == "--only") {
      command->only = absl::StrSplit(value, ',');
    } else if (args[i] == "--case") {
      command->settings.case_text = value;
    } else if (args[i] == "--rounds") {
      if (!absl::SimpleAtoi(value, &command->settings.rounds)) return false;
    } else if (args[i] == "--scale") {
      if (!absl::SimpleAtod(value, &command->settings.scale)) return false;
    } else {
      return false;
    }
    ++i;
  }
  return std::all_of(command->only.begin(), command->only.end(), IsPart) &&
         command->settings.rounds > 0 && command->settings.scale > 0;
}

bool Wanted(const Command& command, const std::string& name) {
  const std::vector<std::string>& only = command.only;
  return only.empty() || std::find(only.begin(), only.end(), name) != only.end();
}

}  // namespace

int main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  Command command;
  if (!Parse(std::vector<std::string>(argv + 1, argv + argc), &command)) {
    std::fputs(kHelp, stderr);
    return 2;
  }
  const penstock::testing::TempDir work("bench");
  command.settings.work_dir = work.path().string();
  command.settings.bin_dir = std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
  Report report;
  int result = 0;
  for (const Part& part : kParts) {
    if (!Wanted(command, part.name)) continue;
    std::fprintf(stderr, "%s ...\n", part.name);
    if (const absl::Status status = part.measure(command.settings, &report); !status.ok()) {
      std::fprintf(stderr, "%s: %s\n", part.name, status.ToString().c_str());
      result = 1;
    }
  }
  std::puts(command.json ? report.Json().c_str() : report.Table().c_str());
  return result;
}
